/**
 * A training step on one device: encode, gather, loss, backward, reduce; then, on commit, apply.
 *
 * <p><b>Rule of this room:</b> what a slot gives depends on its batch and the parameters alone, not
 * on who computes it, on which thread, or together with what.
 */
package org.dunlin.worker.step;
