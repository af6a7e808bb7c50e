package org.dunlin.data.feed;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import org.dunlin.data.model.Sha256;
import org.dunlin.data.plan.EpochPlan;
import org.dunlin.data.plan.Group;
import org.dunlin.data.plan.RowSource;
import org.dunlin.data.samples.Sample;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.DataSpec;

/**
 * A sample as a step uses it: its query and its group of passages, in token ids.
 *
 * @param id the row's number
 * @param query token ids
 * @param passages {@code [groupSize][tokens]}, the positive first
 * @param passageHashes {@code [groupSize]}, of the texts as they are in the data
 * @param teacherScores {@code [groupSize]}, or empty where none are used
 * @param inBatchNegatives whether other queries' passages are negatives too
 */
record TokenizedSample(
    long id,
    int[] query,
    int[][] passages,
    long[] passageHashes,
    float[] teacherScores,
    boolean inBatchNegatives) {

  static TokenizedSample of(
      Sample sample, EpochPlan plan, Tokenizer tokenizer, BatchSpec batch, DataSpec data) {
    int row = (int) sample.id();
    RowSource source = plan.source(row);
    Group group = plan.group(row, sample.positives().size(), sample.negatives().size());
    RowTexts texts = RowTexts.of(sample, group, source.symmetric(), data, plan.textShuffle(row));
    MessageDigest digest = Sha256.digest();
    return new TokenizedSample(
        sample.id(),
        tokenizer.encode(texts.query(), batch.queryMaxTokens()),
        texts.passages().stream()
            .map(text -> tokenizer.encode(text, batch.passageMaxTokens()))
            .toArray(int[][]::new),
        texts.bare().stream().mapToLong(text -> hash(digest, text)).toArray(),
        source.isScored() ? scores(sample, group) : new float[0],
        source.inBatchNegatives());
  }

  private static float[] scores(Sample sample, Group group) {
    float[] scores = new float[1 + group.negatives().length];
    scores[0] = sample.positiveScores().get(group.positive()).floatValue();
    for (int place = 1; place < scores.length; place++) {
      scores[place] = sample.negativeScores().get(group.negatives()[place - 1]).floatValue();
    }
    return scores;
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
