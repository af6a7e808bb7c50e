/**
 * FlagEmbedding's command line, understood: which flag means which of Dunlin's keys, and why some
 * mean nothing here.
 *
 * <p><b>Rule of this room:</b> a flag is described once, in {@code FlagTable}; the parser, the
 * refusals and the page in the documentation are read off it. No flag is passed over in silence.
 */
package org.dunlin.conf.flagembedding;
