/**
 * What a run tells the people who watch it.
 *
 * <p><b>Rule of this room:</b> values only; who shows them, and where, is not known here.
 */
package org.dunlin.coordinator.report;
