package org.dunlin.it.benchmark;

import picocli.CommandLine.Option;

/** What a step that is measured computes: flags that several benchmarks have. */
final class BenchStep {
  @Option(names = "--size", description = "${COMPLETION-CANDIDATES}")
  private BenchModel size = BenchModel.SMALL;

  @Option(names = "--queries", description = "Pairs of a step.")
  private int queries = 32;

  @Option(names = "--query-tokens", description = "Length of every query.")
  private int queryTokens = 32;

  @Option(names = "--passage-tokens", description = "Length of every passage.")
  private int passageTokens = 128;

  @Option(names = "--unified", description = "All three heads and their ensemble, not dense alone.")
  private boolean unified;

  BenchModel size() {
    return size;
  }

  int queries() {
    return queries;
  }

  int queryTokens() {
    return queryTokens;
  }

  int passageTokens() {
    return passageTokens;
  }

  boolean unified() {
    return unified;
  }

  String heads() {
    return unified ? "three heads" : "dense";
  }
}
