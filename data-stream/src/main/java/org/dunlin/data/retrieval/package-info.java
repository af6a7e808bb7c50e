/**
 * Held-out queries with the documents that answer them, and the files that people keep them in.
 *
 * <p><b>Rule of this room:</b> what is in a file that does not fit is refused by line; nothing is
 * drawn.
 */
package org.dunlin.data.retrieval;
