package org.dunlin.data.feed;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.dunlin.data.draws.Draws;
import org.dunlin.data.plan.Group;
import org.dunlin.data.samples.Sample;
import org.dunlin.protocol.run.DataSpec;

/**
 * The texts that a row gives to the model: its query and a group of passages with their
 * instructions.
 *
 * <p>A row's prompt takes the place of the query's instruction. Where there is neither, the query
 * stays bare: FlagEmbedding puts the word {@code None} before it, which is not imitated.
 *
 * @param query with its instruction
 * @param bare the passages as they are in the data, the positive first
 * @param passages the same as the model gets them
 */
record RowTexts(String query, List<String> bare, List<String> passages) {
  /** Texts of up to this many characters stay as they are. */
  private static final int SHORT_CHARACTERS = 100;

  private static final int PARTS = 3;

  /**
   * @param symmetric whether passages get the query's instruction
   * @param draws decides whether and how the positive's parts change places
   */
  static RowTexts of(Sample row, Group group, boolean symmetric, DataSpec spec, Draws draws) {
    List<String> bare = new ArrayList<>();
    bare.add(row.positives().get(group.positive()));
    for (int negative : group.negatives()) {
      bare.add(row.negatives().get(negative));
    }
    List<String> passages = new ArrayList<>(bare);
    passages.set(0, shuffled(bare.get(0), spec.shuffleRatio(), draws));
    Optional<String> instruction = instruction(row, spec);
    passages.replaceAll(text -> symmetric ? query(instruction, text, spec) : passage(text, spec));
    return new RowTexts(query(instruction, row.query(), spec), bare, passages);
  }

  private static Optional<String> instruction(Sample row, DataSpec spec) {
    Optional<String> own = Optional.of(spec.texts().queryInstruction()).filter(i -> !i.isEmpty());
    // In FlagEmbedding's plain mode a prompt counts only beside an instruction.
    boolean counts = !spec.compat() || spec.sameDataset() || own.isPresent();
    return row.prompt().filter(prompt -> counts).or(() -> own);
  }

  private static String query(Optional<String> instruction, String text, DataSpec spec) {
    return instruction.map(i -> spec.texts().queryTemplate().apply(i, text)).orElse(text);
  }

  private static String passage(String text, DataSpec spec) {
    String instruction = spec.texts().passageInstruction();
    return instruction.isEmpty() ? text : spec.texts().passageTemplate().apply(instruction, text);
  }

  /** Three parts of equal length in characters, in a random order, with a space between. */
  static String shuffled(String text, double ratio, Draws draws) {
    int[] characters = ratio > 0 ? text.codePoints().toArray() : new int[0];
    if (characters.length <= SHORT_CHARACTERS || draws.unit() >= ratio) {
      return text;
    }
    int part = characters.length / PARTS + 1;
    int[] order = {0, 1, 2};
    draws.shuffle(order, PARTS);
    return String.join(
        " ",
        Arrays.stream(order)
            .mapToObj(
                number -> {
                  int first = number * part;
                  int end = Math.min(characters.length, first + part);
                  return new String(characters, first, end - first);
                })
            .toList());
  }
}
