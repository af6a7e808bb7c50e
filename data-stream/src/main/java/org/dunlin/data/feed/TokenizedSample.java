package org.dunlin.data.feed;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import org.dunlin.data.model.Sha256;
import org.dunlin.data.plan.Group;
import org.dunlin.data.samples.Sample;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.protocol.run.BatchSpec;

/**
 * A sample as a step uses it: its query and its group of passages, in token ids.
 *
 * @param id the row's number
 * @param query token ids
 * @param passages {@code [groupSize][tokens]}, the positive first
 * @param passageHashes {@code [groupSize]}
 */
record TokenizedSample(long id, int[] query, int[][] passages, long[] passageHashes) {

  static TokenizedSample of(Sample sample, Group group, Tokenizer tokenizer, BatchSpec batch) {
    List<String> texts = new ArrayList<>();
    texts.add(sample.positives().get(group.positive()));
    for (int negative : group.negatives()) {
      texts.add(sample.negatives().get(negative));
    }
    MessageDigest digest = Sha256.digest();
    return new TokenizedSample(
        sample.id(),
        tokenizer.encode(sample.query(), batch.queryMaxTokens()),
        texts.stream()
            .map(text -> tokenizer.encode(text, batch.passageMaxTokens()))
            .toArray(int[][]::new),
        texts.stream().mapToLong(text -> hash(digest, text)).toArray());
  }

  /** Real tokens of the query and its group. */
  int tokens() {
    int tokens = query.length;
    for (int[] passage : passages) {
      tokens = Math.addExact(tokens, passage.length);
    }
    return tokens;
  }

  /** The first 8 bytes of the text's SHA-256: the whole text's, whatever is cut off its tokens. */
  private static long hash(MessageDigest digest, String text) {
    return ByteBuffer.wrap(digest.digest(text.getBytes(StandardCharsets.UTF_8))).getLong();
  }
}
