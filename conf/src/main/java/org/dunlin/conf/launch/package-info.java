/**
 * From settings to a running cluster: actor systems, the coordinator's run, a worker's device.
 *
 * <p><b>Rule of this room:</b> it connects the rooms above and decides nothing of its own.
 */
package org.dunlin.conf.launch;
