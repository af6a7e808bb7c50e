package org.dunlin.worker.step;

/**
 * The random key of a row's dropout masks: a function of the run's seed, the step and the row's
 * number in the global batch, by three rounds of splitmix64 (Steele, Lea, Flood 2014).
 */
final class RowKeys {
  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  private RowKeys() {}

  static long of(long seed, long step, long row) {
    return mix(mix(mix(seed) + step) + row);
  }

  private static long mix(long value) {
    long z = value + GOLDEN;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
