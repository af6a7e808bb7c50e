/** What must hold of the coordinator's side of a run, event by event. */
package org.dunlin.coordinator.step;
