/**
 * Where log lines go: all to the run folder's file, the worst also to the terminal.
 *
 * <p><b>Rule of this room:</b> no file is written before a run has a folder, and no stack trace
 * reaches the terminal.
 */
package org.dunlin.conf.log;
