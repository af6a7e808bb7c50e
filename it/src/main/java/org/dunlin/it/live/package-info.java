/**
 * A run in processes of its own that somebody else disturbs: its events as they come, who takes
 * part, and where its processes are. For tests and benchmarks.
 *
 * <p><b>Rule of this room:</b> it only listens; whoever uses it decides whom to disturb.
 */
package org.dunlin.it.live;
