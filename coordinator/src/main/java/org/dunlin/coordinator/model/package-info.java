/**
 * The run's parameters between the disk and the wire: out to workers at the start, back at the end.
 *
 * <p><b>Rule of this room:</b> only here does the coordinator touch parameters, a chunk at a time;
 * it never holds a whole model.
 */
package org.dunlin.coordinator.model;
