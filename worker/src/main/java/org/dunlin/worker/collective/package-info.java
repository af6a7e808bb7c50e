/**
 * What members of a generation tell each other within a step: gathers and sums of float blocks.
 *
 * <p><b>Rule of this room:</b> it knows blocks, slots and the fixed tree, not what the numbers
 * mean: no DJL, no actor. Sums have one shape, over slots and never over members.
 */
package org.dunlin.worker.collective;
