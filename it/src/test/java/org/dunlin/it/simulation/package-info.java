/**
 * The coordinator's and the workers' state machines of production, in one thread and virtual time.
 *
 * <p><b>Rule of this room:</b> one seed decides everything; the same seed gives the same run.
 */
package org.dunlin.it.simulation;
