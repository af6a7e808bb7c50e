package org.dunlin.it.parity;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dunlin.data.plan.SlotCut;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;

/** An explicit batch as Dunlin's slots. */
record GoldenBatch(StepHeader header, List<SlotBatch> slots) {

  /**
   * Cuts a step's batch into slots and micro-batches, without regard to lengths.
   *
   * @param rowsPerMicroBatch at most; the last one of a slot may be smaller
   */
  static GoldenBatch of(
      long step,
      List<GoldenSet.Batch> parts,
      int groupSize,
      int slots,
      int rowsPerMicroBatch,
      int padMultiple,
      boolean inBatchNegatives,
      boolean taught) {
    int[][] queries = parts.stream().flatMap(p -> Stream.of(p.queries())).toArray(int[][]::new);
    int[][] passages = parts.stream().flatMap(p -> Stream.of(p.passages())).toArray(int[][]::new);
    int[] firstQuery = SlotCut.firstQueries(queries.length, slots);
    List<SlotBatch> batches = new ArrayList<>();
    for (int slot = 0; slot < slots; slot++) {
      int from = firstQuery[slot];
      int to = firstQuery[slot + 1];
      int[][] ids =
          Stream.concat(
                  IntStream.range(from, to).mapToObj(q -> queries[q]),
                  IntStream.range(from * groupSize, to * groupSize).mapToObj(p -> passages[p]))
              .toArray(int[][]::new);
      if (to > from) {
        batches.add(
            new SlotBatch(
                step,
                slot,
                from,
                to - from,
                groupSize,
                ids,
                cut(ids.length, rowsPerMicroBatch),
                padMultiple));
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
            1,
            1,
            inBatchNegatives,
            taught ? teacherScores(parts, passages.length) : new float[0]);
    return new GoldenBatch(header, batches);
  }

  private static float[] teacherScores(List<GoldenSet.Batch> parts, int passages) {
    FloatBuffer all = FloatBuffer.allocate(passages);
    parts.forEach(part -> all.put(part.teacherScores()));
    return all.array();
  }

  private static int[][] cut(int rows, int each) {
    return IntStream.iterate(0, from -> from < rows, from -> from + each)
        .mapToObj(from -> IntStream.range(from, Math.min(rows, from + each)).toArray())
        .toArray(int[][]::new);
  }
}
