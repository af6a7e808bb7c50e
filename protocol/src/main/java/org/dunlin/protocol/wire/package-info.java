/**
 * The messages as bytes: Protobuf, and the Pekko serializer that is bound to it.
 *
 * <p><b>Rule of this room:</b> only translation, one place for each message, both ways side by
 * side; no field is interpreted here.
 */
package org.dunlin.protocol.wire;
