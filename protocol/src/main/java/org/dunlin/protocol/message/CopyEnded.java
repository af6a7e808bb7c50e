package org.dunlin.protocol.message;

import org.dunlin.protocol.OnWire;

/**
 * The answer to {@link CopyOffered}.
 *
 * @param steps of the checkpoint
 * @param whole whether the copy is there, each byte read again and compared
 * @param sentence the folder that holds it, or why there is none
 */
public record CopyEnded(long steps, boolean whole, String sentence) implements OnWire {}
