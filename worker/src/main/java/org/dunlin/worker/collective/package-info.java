/**
 * What members of a generation tell each other within a step: gathers and sums of blocks.
 *
 * <p>The collectives and the streams that carry them are one room, because sums are taken straight
 * from a stream's memory. The host's media driver has a room of its own below this one.
 *
 * <p><b>Rule of this room:</b> it knows blocks, slots and the fixed tree, not what the numbers
 * mean: no DJL, no actor. Sums have one shape, over slots and never over members.
 */
package org.dunlin.worker.collective;
