/**
 * What a person types: flags, help, and how a command ends.
 *
 * <p><b>Rule of this room:</b> it turns words into {@code Settings} and an ending into an exit code
 * and one sentence; the work itself is handed in as {@code Actions}.
 */
package org.dunlin.conf.command;
