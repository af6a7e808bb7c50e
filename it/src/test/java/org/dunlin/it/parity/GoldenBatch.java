package org.dunlin.it.parity;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;

/** An explicit batch as Dunlin's slots. */
record GoldenBatch(StepHeader header, List<SlotBatch> slots) {

  /**
   * Cuts a step's batch into slots and micro-batches, without regard to lengths.
   *
   * @param parts each a pool of negatives, or all one pool
   * @param rowsPerMicroBatch at most; the last one of a slot may be smaller
   */
  static GoldenBatch of(
      long step,
      List<GoldenSet.Batch> parts,
      GoldenConfig config,
      int groupSize,
      int slots,
      int rowsPerMicroBatch) {
    int[][] queries = parts.stream().flatMap(p -> Stream.of(p.queries())).toArray(int[][]::new);
    int[][] passages = parts.stream().flatMap(p -> Stream.of(p.passages())).toArray(int[][]::new);
    int[] firstOfPool = pools(parts, config.pools());
    int[] firstQuery = new int[slots + 1];
    List<SlotBatch> batches = new ArrayList<>();
    for (int slot = 0; slot < slots; slot++) {
      int from = firstQuery[slot];
      int to = end(slot, slots, firstOfPool);
      firstQuery[slot + 1] = to;
      int[][] ids =
          Stream.concat(
                  IntStream.range(from, to).mapToObj(q -> queries[q]),
                  IntStream.range(from * groupSize, to * groupSize).mapToObj(p -> passages[p]))
              .toArray(int[][]::new);
      if (to > from) {
        int[][] rows = cut(ids.length, rowsPerMicroBatch);
        batches.add(
            new SlotBatch(step, slot, from, to - from, groupSize, ids, rows, config.padMultiple()));
      }
    }
    StepHeader header =
        new StepHeader(
            step,
            0,
            groupSize,
            firstQuery,
            new long[queries.length],
            new long[passages.length],
            Stream.of(passages).mapToInt(ids -> ids.length).toArray(),
            config.distils() ? scores(parts) : new float[0],
            config.inBatchNegatives(),
            firstOfPool,
            1,
            1);
    return new GoldenBatch(header, batches);
  }

  private static int[] pools(List<GoldenSet.Batch> parts, int pools) {
    int[] first = new int[pools + 1];
    for (int part = 0; part < parts.size(); part++) {
      int pool = part * pools / parts.size();
      first[pool + 1] += parts.get(part).queries().length;
    }
    Arrays.parallelPrefix(first, Integer::sum);
    return first;
  }

  /** No slot has queries of two pools. */
  private static int end(int slot, int slots, int[] firstOfPool) {
    int pools = firstOfPool.length - 1;
    int pool = slot * pools / slots;
    int first = (pool * slots + pools - 1) / pools;
    int last = ((pool + 1) * slots + pools - 1) / pools;
    int queries = firstOfPool[pool + 1] - firstOfPool[pool];
    return firstOfPool[pool] + queries * (slot + 1 - first) / (last - first);
  }

  private static float[] scores(List<GoldenSet.Batch> parts) {
    float[] all = new float[parts.stream().mapToInt(part -> part.teacherScores().length).sum()];
    int at = 0;
    for (GoldenSet.Batch part : parts) {
      System.arraycopy(part.teacherScores(), 0, all, at, part.teacherScores().length);
      at += part.teacherScores().length;
    }
    return all;
  }

  private static int[][] cut(int rows, int each) {
    return IntStream.iterate(0, from -> from < rows, from -> from + each)
        .mapToObj(from -> IntStream.range(from, Math.min(rows, from + each)).toArray())
        .toArray(int[][]::new);
  }
}
