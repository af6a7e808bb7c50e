/**
 * A training step on one device: encode, gather, loss, backward, reduce; then, on commit, apply.
 * And the same encoder without training: embeddings and scores of pairs.
 *
 * <p><b>Rule of this room:</b> what a slot gives depends on its batch and the parameters alone, not
 * on who computes it, on which thread, or together with what.
 */
package org.dunlin.worker.step;
