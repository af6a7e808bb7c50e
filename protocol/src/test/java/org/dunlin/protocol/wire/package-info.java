/**
 * Messages there and back.
 *
 * <p><b>Rule of this room:</b> every field has a value that is not its default, so that a forgotten
 * one shows.
 */
package org.dunlin.protocol.wire;
