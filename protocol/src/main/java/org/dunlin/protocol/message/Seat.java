package org.dunlin.protocol.message;

import org.dunlin.protocol.WorkerId;

/**
 * A member and its slots in one generation.
 *
 * @param worker who
 * @param data where its data plane listens
 * @param firstSlot the first of its contiguous slots
 * @param slots how many; may be 0
 */
public record Seat(WorkerId worker, Endpoint data, int firstSlot, int slots) {}
