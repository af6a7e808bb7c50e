package org.dunlin.data.plan;

import java.util.Map;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The batch sizes by length that BGE-M3 was trained with, for each device of 80 GB. They were found
 * by hand: everything padded to the longest, the batch raised until memory ended.
 */
final class LengthTable {
  private static final Pattern NAME = Pattern.compile("len-(\\d+-(?:\\d+|inf))\\.jsonl");

  /** By the name's bounds in tokens: with 8 passages a query, and with 1. */
  private static final Map<String, int[]> PAIRS =
      Map.of(
          "0-500", new int[] {48, 700},
          "500-1000", new int[] {32, 570},
          "1000-2000", new int[] {20, 388},
          "2000-3000", new int[] {18, 288},
          "3000-4000", new int[] {14, 224},
          "4000-5000", new int[] {14, 180},
          "5000-6000", new int[] {12, 157},
          "6000-7000", new int[] {10, 128},
          "7000-inf", new int[] {8, 104});

  private LengthTable() {}

  /** Queries of a device's batch; absent for other names and groups of neither 8 nor 1. */
  static OptionalInt pairs(String fileName, int groupSize) {
    Matcher bounds = NAME.matcher(fileName);
    int[] row = bounds.find() ? PAIRS.get(bounds.group(1)) : null;
    if (row == null || (groupSize != 8 && groupSize != 1)) {
      return OptionalInt.empty();
    }
    return OptionalInt.of(groupSize == 8 ? row[0] : row[1]);
  }
}
