/**
 * From embeddings to a loss: the rows of one slot's queries against all passages of their pool.
 *
 * <p><b>Rule of this room:</b> a slot's loss and gradients are a function of its queries, of the
 * step's passages and of the plan. Bounds of every product come from the plan, and nothing here
 * knows what a member is or that another slot is being computed.
 */
package org.dunlin.worker.loss;
