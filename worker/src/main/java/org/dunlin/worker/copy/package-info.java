/**
 * A worker's disk as the place of a run's second copy. It knows nothing of training: a worker that
 * computes and one that is only waiting keep a copy alike.
 *
 * <p><b>Rule of this room:</b> what a copy is, is data-stream's matter; when one is made is the
 * coordinator's.
 */
package org.dunlin.worker.copy;
