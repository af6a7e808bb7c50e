package org.dunlin.protocol.message;

import org.dunlin.protocol.OnWire;

/**
 * The answer to {@link CopyOffered}.
 *
 * @param number of the offer
 * @param whole whether the copy is there, each byte read again and compared
 * @param sentence the folder that holds it, or why there is none
 */
public record CopyEnded(long number, boolean whole, String sentence) implements OnWire {}
