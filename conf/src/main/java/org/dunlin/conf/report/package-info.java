/**
 * What a run leaves for people to read: progress on the terminal, and files in the run folder.
 *
 * <p><b>Rule of this room:</b> it only listens. Nothing here may change what a run does, and a file
 * that others poll is replaced whole or appended to by whole lines.
 */
package org.dunlin.conf.report;
