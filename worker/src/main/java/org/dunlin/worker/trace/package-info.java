/**
 * When each thread did what.
 *
 * <p><b>Rule of this room:</b> nothing that is computed depends on whether it is traced.
 */
package org.dunlin.worker.trace;
