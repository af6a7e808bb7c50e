package org.dunlin.worker.step;

import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.collective.Exchange.Kind;

/**
 * What a member says of a step when a generation begins in its middle: what it was fed, and what it
 * has finished of the step before. A slot stays with a member that has finished some of it, whoever
 * it was given to, so that only what a dead member had is computed again.
 *
 * @param begun whether the member has computed any of the step before
 * @param fed by slot: the {@link #key} of the batch that this member was given; 0 for none
 * @param embedded by slot: the key of the batch of which embeddings are here, all or some; 0 for
 *     none
 * @param finished by slot: the key of the batch whose gradient is here; 0 for none
 */
record Claims(boolean begun, long[] fed, long[] embedded, long[] finished) {
  private static final int TABLES = 3;
  private static final int NONE = -1;

  // A gradient takes an encoding and a backward pass, which is about twice an encoding.
  private static final int EMBEDDED_WORTH = 1;
  private static final int FINISHED_WORTH = 3;

  static Claims none(int slots) {
    return new Claims(false, new long[slots], new long[slots], new long[slots]);
  }

  /**
   * A number that two batches share only if all is equal that a slot's gradient depends on: the
   * texts, their cut into micro-batches, and what all members know of the step. Never 0.
   */
  static long key(StepHeader header, SlotBatch batch) {
    MessageDigest digest = sha256();
    try (DataOutputStream out =
        new DataOutputStream(new DigestOutputStream(OutputStream.nullOutputStream(), digest))) {
      out.writeLong(header.step());
      out.writeInt(header.groupSize());
      out.writeBoolean(header.inBatchNegatives());
      write(out, header.firstQuery());
      write(out, header.passageTokens());
      write(out, header.firstQueryOfPool());
      for (long hash : header.passageHashes()) {
        out.writeLong(hash);
      }
      out.writeInt(header.teacherScores().length);
      for (float score : header.teacherScores()) {
        out.writeFloat(score);
      }
      write(
          out,
          new int[] {
            batch.slot(),
            batch.firstQuery(),
            batch.queries(),
            batch.padMultiple(),
            batch.tokenIds().length,
            batch.microBatches().length
          });
      for (int[] row : batch.tokenIds()) {
        write(out, row);
      }
      for (int[] rows : batch.microBatches()) {
        write(out, rows);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e); // nothing is written anywhere
    }
    long key = ByteBuffer.wrap(digest.digest()).getLong();
    return key == 0 ? 1 : key;
  }

  private static void write(DataOutputStream out, int[] values) throws IOException {
    out.writeInt(values.length);
    ByteBuffer bytes = ByteBuffer.allocate(values.length * Integer.BYTES);
    bytes.asIntBuffer().put(values);
    out.write(bytes.array());
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has it
    }
  }

  /** Tells all members, and hears what they say; by member. */
  List<Claims> exchange(long step, Exchange exchange) {
    int slots = fed.length;
    int bytes = (1 + TABLES * slots) * Long.BYTES;
    ByteBuffer whole = ByteBuffer.allocateDirect(Math.multiplyExact(bytes, exchange.members()));
    int[] bounds = new int[exchange.members() + 1];
    Arrays.setAll(bounds, m -> m * bytes);
    ByteBuffer own = whole.duplicate().position(bounds[exchange.member()]);
    own.putLong(begun ? 1 : 0);
    for (long[] table : List.of(fed, embedded, finished)) {
      for (long key : table) {
        own.putLong(key);
      }
    }
    exchange.allGather(step, Kind.CLAIMS, whole, bounds);
    List<Claims> all = new ArrayList<>();
    ByteBuffer from = whole.duplicate();
    for (int m = 0; m < exchange.members(); m++) {
      from.position(bounds[m]);
      boolean hasBegun = from.getLong() != 0;
      all.add(new Claims(hasBegun, read(from, slots), read(from, slots), read(from, slots)));
    }
    return all;
  }

  private static long[] read(ByteBuffer from, int slots) {
    long[] table = new long[slots];
    for (int slot = 0; slot < slots; slot++) {
      table[slot] = from.getLong();
    }
    return table;
  }

  private int worth(int slot, long key) {
    if (finished[slot] == key) {
      return FINISHED_WORTH;
    }
    return embedded[slot] == key ? EMBEDDED_WORTH : 0;
  }

  /**
   * Shares the slots out so that as much as can be is computed by whoever has finished some of it,
   * and the rest by whoever was fed it. Members' slots stay contiguous and in the members' order.
   *
   * @param slotBounds of the members, as the coordinator gave them
   * @param claims by member
   * @return bounds of the same form; the same on every member
   */
  static int[] share(int[] slotBounds, List<Claims> claims) {
    int members = claims.size();
    int slots = slotBounds[members];
    int[][] before = new int[slots][]; // by the member that has a slot: who has the one before
    int[] best = new int[members]; // by the member that has the slot before: what is kept so far
    Arrays.fill(best, NONE);
    best[0] = 0;
    for (int m = 0; m < members; m++) {
      for (int slot = slotBounds[m]; slot < slotBounds[m + 1]; slot++) {
        long key = claims.get(m).fed()[slot];
        if (key != 0) {
          before[slot] = new int[members];
          best = next(best, before[slot], slot, key, m, claimant(claims, slot, key, m), claims);
        }
      }
    }
    int holder = 0;
    for (int m = 1; m < members; m++) {
      holder = best[m] > best[holder] ? m : holder;
    }
    int[] bounds = new int[members + 1];
    Arrays.fill(bounds, slots);
    for (int slot = slots - 1; slot >= 0; slot--) {
      Arrays.fill(bounds, 0, holder + 1, slot);
      holder = before[slot] == null ? holder : before[slot][holder];
    }
    bounds[0] = 0;
    return bounds;
  }

  // Of those who have the most of it whoever was given it, else the first.
  private static int claimant(List<Claims> claims, int slot, long key, int given) {
    int most = given;
    for (int m = 0; m < claims.size(); m++) {
      most = claims.get(m).worth(slot, key) > claims.get(most).worth(slot, key) ? m : most;
    }
    return most;
  }

  private static int[] next(
      int[] best, int[] before, int slot, long key, int given, int claimant, List<Claims> claims) {
    int[] next = new int[best.length];
    Arrays.fill(next, NONE);
    for (int m : new int[] {given, claimant}) {
      int last = 0;
      for (int l = 1; l <= m; l++) {
        last = best[l] > best[last] ? l : last;
      }
      if (best[last] != NONE) {
        before[m] = last;
        next[m] = best[last] + claims.get(m).worth(slot, key);
      }
    }
    return next;
  }
}
