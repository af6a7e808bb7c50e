package org.dunlin.it.benchmark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Tokens of a step's rows.
 *
 * @param queries of each query
 * @param passages of each passage, query by query
 */
record BenchLengths(int[] queries, int[] passages) {
  // Chosen, not taken from a corpus: half of the passages are shorter than 80 tokens, few are cut.
  private static final double QUERY_MEDIAN = 12;
  private static final double QUERY_DEVIATION = 0.5;
  private static final double PASSAGE_MEDIAN = 80;
  private static final double PASSAGE_DEVIATION = 0.85;
  private static final int LEAST = 4;
  private static final int QUERY_MOST = 64;
  private static final int PASSAGE_MOST = 512;

  /** All alike. */
  static List<BenchLengths> uniform(int pairs, int group, int queryTokens, int passageTokens) {
    int[] queries = new int[pairs];
    int[] passages = new int[pairs * group];
    Arrays.fill(queries, queryTokens);
    Arrays.fill(passages, passageTokens);
    return List.of(new BenchLengths(queries, passages));
  }

  /** Drawn in random order: their logarithms are normal. */
  static List<BenchLengths> skewed(int steps, int pairs, int group) {
    Random random = new Random(42);
    List<BenchLengths> made = new ArrayList<>();
    for (int step = 0; step < steps; step++) {
      made.add(
          new BenchLengths(
              drawn(random, pairs, QUERY_MEDIAN, QUERY_DEVIATION, QUERY_MOST),
              drawn(random, pairs * group, PASSAGE_MEDIAN, PASSAGE_DEVIATION, PASSAGE_MOST)));
    }
    return made;
  }

  private static int[] drawn(Random random, int rows, double median, double deviation, int most) {
    return IntStream.range(0, rows)
        .map(row -> (int) Math.round(median * Math.exp(deviation * random.nextGaussian())))
        .map(tokens -> Math.clamp(tokens, LEAST, most))
        .toArray();
  }

  /** A file with a line a step: the queries' tokens, then the passages'. */
  static Path write(List<BenchLengths> steps) throws IOException {
    Path file = Files.createTempFile("lengths", ".txt");
    Files.write(file, steps.stream().map(BenchLengths::line).toList());
    return file;
  }

  private String line() {
    return IntStream.concat(Arrays.stream(queries), Arrays.stream(passages))
        .mapToObj(Integer::toString)
        .collect(Collectors.joining(" "));
  }

  long tokens() {
    return Arrays.stream(queries).asLongStream().sum()
        + Arrays.stream(passages).asLongStream().sum();
  }

  /** Places when each side is padded to its longest row, as the peer does. */
  long padded() {
    return (long) queries.length * longest(queries) + (long) passages.length * longest(passages);
  }

  private static int longest(int[] tokens) {
    return Arrays.stream(tokens).max().orElseThrow();
  }
}
