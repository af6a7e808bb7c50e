package org.dunlin.data.tokens;

/**
 * Two texts as one row of ids.
 *
 * @param ids with the special tokens, not padded
 * @param second place of the second text's first token: from here on BERT's token type is 1
 */
public record TokenPair(int[] ids, int second) {}
