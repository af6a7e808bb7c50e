/**
 * A run's state on disk: parts that several processes write, and a manifest that makes a checkpoint
 * of them.
 *
 * <p><b>Rule of this room:</b> a checkpoint with a manifest is whole, and one without does not
 * exist; whatever a disk or a death does, nothing here gives out a value whose checksum is not the
 * one that was written down. Nothing in a file depends on how many members there were.
 */
package org.dunlin.data.checkpoint;
