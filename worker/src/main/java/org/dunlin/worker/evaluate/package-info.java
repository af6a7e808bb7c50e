/**
 * How good embeddings are at finding what belongs together.
 *
 * <p><b>Rule of this room:</b> pure arithmetic on arrays: no engine, no files, no clock. The same
 * embeddings give the same figures on any machine.
 */
package org.dunlin.worker.evaluate;
