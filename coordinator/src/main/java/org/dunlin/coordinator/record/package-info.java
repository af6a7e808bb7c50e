/**
 * What time or a machine decided, on disk before anything is computed by it.
 *
 * <p><b>Rule of this room:</b> append only; a line is durable before its write completes.
 */
package org.dunlin.coordinator.record;
