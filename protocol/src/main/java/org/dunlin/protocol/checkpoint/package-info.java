/**
 * What members and coordinator say of a checkpoint's files.
 *
 * <p><b>Rule of this room:</b> only what is said, not where it is kept: no path, no bytes of a
 * file.
 */
package org.dunlin.protocol.checkpoint;
