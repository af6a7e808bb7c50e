/** What comes over the wire lies on the disk as its sender would have written it, or not at all. */
package org.dunlin.coordinator.checkpoint;
