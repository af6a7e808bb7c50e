/**
 * What coordinator and workers say to each other.
 *
 * <p><b>Rule of this room:</b> every word carries the term, generation, step or incarnation it
 * belongs to, so that a late or repeated one can be told and dropped. No tensors but state chunks.
 */
package org.dunlin.protocol.message;
