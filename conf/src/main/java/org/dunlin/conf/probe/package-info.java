/**
 * Which micro-batches a machine has the memory for, found by trying them before a run (design
 * section 8, rule 6).
 *
 * <p><b>Rule of this room:</b> it asks and decides; who tries, and in which process, is handed in.
 */
package org.dunlin.conf.probe;
