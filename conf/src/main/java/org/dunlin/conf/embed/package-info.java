/**
 * Texts in, embeddings or scores out, for people and scripts.
 *
 * <p><b>Rule of this room:</b> it computes what a training run would, and trains nothing.
 */
package org.dunlin.conf.embed;
