/**
 * The host's one media driver, through which members reach each other's memory and other hosts.
 *
 * <p><b>Rule of this room:</b> it knows a folder, a process and what the machine allows, not what
 * is sent. A driver belongs to the host, never to a worker: whoever needs it and finds none starts
 * it, and nobody but itself ends it.
 */
package org.dunlin.worker.collective.driver;
