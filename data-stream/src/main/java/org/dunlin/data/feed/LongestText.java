package org.dunlin.data.feed;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.dunlin.data.draws.Draws;
import org.dunlin.data.plan.Group;
import org.dunlin.data.plan.RowSource;
import org.dunlin.data.samples.Sample;
import org.dunlin.data.samples.SampleFiles;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.RunSpec;

/** How long the longest text that a run may meet is. */
final class LongestText {
  private final SampleFiles samples;
  private final Tokenizer tokenizer;
  private final RunSpec spec;
  private final BatchSpec batch;

  LongestText(SampleFiles samples, Tokenizer tokenizer, RunSpec spec) {
    this.samples = samples;
    this.tokenizer = tokenizer;
    this.spec = spec;
    this.batch = spec.batch();
  }

  /** In tokens, padded. Ends with the first text that is cut off, because none can be longer. */
  int tokens() {
    int most = Math.max(batch.queryMaxTokens(), batch.passageMaxTokens());
    AtomicInteger longest = new AtomicInteger(1);
    if (spec.data().shuffleRatio() > 0) {
      longest.set(most); // parts that change places have other tokens
    } else {
      for (RowSource source : Feed.plan(samples, spec).sources().all()) {
        boolean isFound =
            Arrays.stream(source.rows())
                .parallel()
                .map(row -> tokens(samples.read(row), source))
                .anyMatch(tokens -> longest.accumulateAndGet(tokens, Math::max) >= most);
        if (isFound) {
          break;
        }
      }
    }
    return Math.ceilDiv(longest.get(), batch.padMultiple()) * batch.padMultiple();
  }

  /** The longest of a row: of its query, and of all passages that may stand beside it. */
  private int tokens(Sample row, RowSource source) {
    int negatives = source.groupSize() > 1 ? row.negatives().size() : 0;
    int longest = 0;
    for (int positive = 0; positive < row.positives().size(); positive++) {
      int[] places = positive == 0 ? IntStream.range(0, negatives).toArray() : new int[0];
      RowTexts texts =
          RowTexts.of(
              row,
              new Group(positive, places),
              source.symmetric(),
              spec.data(),
              new Draws(spec.seed(), Draws.Kind.TEXT_SHUFFLE, 0, row.id()));
      longest = Math.max(longest, length(texts.query(), batch.queryMaxTokens()));
      for (String passage : texts.passages()) {
        longest = Math.max(longest, length(passage, batch.passageMaxTokens()));
      }
    }
    return longest;
  }

  private int length(String text, int most) {
    return tokenizer.encode(text, most).length;
  }
}
