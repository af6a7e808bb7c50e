/**
 * A run's checkpoints as its coordinator sees them: it makes the folder, the members write their
 * shares into it, or send them and it writes those too, it writes the manifest.
 *
 * <p><b>Rule of this room:</b> what files look like is data-stream's matter; when one is made is
 * the step protocol's. Here is only the thread between the two, which may wait for the disk, and
 * who sends what is complete to a worker that keeps a copy.
 */
package org.dunlin.coordinator.checkpoint;
