/** What must be found again by the coordinator that comes next, wherever the last one died. */
package org.dunlin.coordinator.record;
