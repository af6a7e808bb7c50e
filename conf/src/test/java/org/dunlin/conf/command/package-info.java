/**
 * What a person sees of the command line.
 *
 * <p><b>Rule of this room:</b> commands run in this process, as typed, and what is compared is what
 * is printed, the exit code and what the action was given.
 */
package org.dunlin.conf.command;
