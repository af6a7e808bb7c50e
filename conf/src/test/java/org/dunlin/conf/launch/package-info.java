/**
 * The parts of launching that need no cluster.
 *
 * <p><b>Rule of this room:</b> no process is started here; that is for {@code org.dunlin.it}.
 */
package org.dunlin.conf.launch;
