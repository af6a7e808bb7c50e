/**
 * How a frame of the data plane lies in memory: a header of fixed size, then the payload.
 *
 * <p><b>Rule of this room:</b> offsets and checksums, over memory that somebody else owns. Nothing
 * here allocates for a frame, sends, receives, or decides what a frame is good for.
 */
package org.dunlin.protocol.frame;
