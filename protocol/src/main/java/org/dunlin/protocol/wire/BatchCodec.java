package org.dunlin.protocol.wire;

import java.util.List;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;

/** {@link StepHeader} and {@link SlotBatch} to Protobuf and back. */
final class BatchCodec {
  private BatchCodec() {}

  static StepHeaderWire write(StepHeader header) {
    StepHeaderWire.Builder wire =
        StepHeaderWire.newBuilder()
            .setStep(header.step())
            .setEpoch(header.epoch())
            .setGroupSize(header.groupSize())
            .setNoInBatchNegatives(!header.inBatchNegatives())
            .setTokens(header.tokens())
            .setPaddedTokens(header.paddedTokens());
    for (int first : header.firstQuery()) {
      wire.addFirstQuery(first);
    }
    for (long id : header.sampleIds()) {
      wire.addSampleIds(id);
    }
    for (long hash : header.passageHashes()) {
      wire.addPassageHashes(hash);
    }
    for (int tokens : header.passageTokens()) {
      wire.addPassageTokens(tokens);
    }
    for (float score : header.teacherScores()) {
      wire.addTeacherScores(score);
    }
    for (int first : header.firstQueryOfPool()) {
      wire.addFirstQueryOfPool(first);
    }
    return wire.build();
  }

  static StepHeader read(StepHeaderWire wire) {
    return new StepHeader(
        wire.getStep(),
        wire.getEpoch(),
        wire.getGroupSize(),
        ints(wire.getFirstQueryList()),
        longs(wire.getSampleIdsList()),
        longs(wire.getPassageHashesList()),
        ints(wire.getPassageTokensList()),
        floats(wire.getTeacherScoresList()),
        !wire.getNoInBatchNegatives(),
        ints(wire.getFirstQueryOfPoolList()),
        wire.getTokens(),
        wire.getPaddedTokens());
  }

  static SlotBatchWire write(SlotBatch batch) {
    SlotBatchWire.Builder wire =
        SlotBatchWire.newBuilder()
            .setStep(batch.step())
            .setSlot(batch.slot())
            .setFirstQuery(batch.firstQuery())
            .setQueries(batch.queries())
            .setGroupSize(batch.groupSize())
            .setPadMultiple(batch.padMultiple());
    for (int[] row : batch.tokenIds()) {
      wire.addRowTokens(row.length);
      for (int id : row) {
        wire.addTokenIds(id);
      }
    }
    for (int[] microBatch : batch.microBatches()) {
      wire.addMicroBatchRows(microBatch.length);
      for (int row : microBatch) {
        wire.addRows(row);
      }
    }
    return wire.build();
  }

  static SlotBatch read(SlotBatchWire wire) {
    return new SlotBatch(
        wire.getStep(),
        wire.getSlot(),
        wire.getFirstQuery(),
        wire.getQueries(),
        wire.getGroupSize(),
        ragged(ints(wire.getRowTokensList()), ints(wire.getTokenIdsList())),
        ragged(ints(wire.getMicroBatchRowsList()), ints(wire.getRowsList())),
        wire.getPadMultiple());
  }

  private static int[][] ragged(int[] lengths, int[] flat) {
    int[][] rows = new int[lengths.length][];
    int from = 0;
    for (int r = 0; r < rows.length; r++) {
      rows[r] = new int[lengths[r]];
      System.arraycopy(flat, from, rows[r], 0, lengths[r]);
      from += lengths[r];
    }
    return rows;
  }

  private static int[] ints(List<Integer> list) {
    return list.stream().mapToInt(Integer::intValue).toArray();
  }

  private static float[] floats(List<Float> list) {
    float[] floats = new float[list.size()];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = list.get(i);
    }
    return floats;
  }

  private static long[] longs(List<Long> list) {
    return list.stream().mapToLong(Long::longValue).toArray();
  }
}
