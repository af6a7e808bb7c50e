package org.dunlin.worker.step;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.dunlin.protocol.batch.SlotBatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Who goes on with which slot. */
class ClaimsTest {
  private static List<Claims> nobody(int members, int[] bounds) {
    List<Claims> claims = new ArrayList<>();
    for (int m = 0; m < members; m++) {
      Claims own = Claims.none(bounds[members]);
      for (int slot = bounds[m]; slot < bounds[m + 1]; slot++) {
        own.fed()[slot] = 100L + slot;
      }
      claims.add(own);
    }
    return claims;
  }

  @Test
  void shouldLeaveFinishedSlotsWhereTheyAre() {
    int[] bounds = {0, 4, 8};
    List<Claims> claims = nobody(2, bounds);
    for (int slot = 3; slot < 6; slot++) {
      claims.get(0).finished()[slot] = 100L + slot; // slots 0 to 2 were a dead member's
    }
    claims.get(1).embedded()[6] = 106;
    claims.get(1).embedded()[7] = 107;
    assertThat(Claims.share(bounds, claims)).containsExactly(0, 6, 8);
  }

  @Test
  void shouldNotHeedWhatWasDoneWithAnotherBatch() {
    int[] bounds = {0, 4, 8};
    List<Claims> claims = nobody(2, bounds);
    claims.get(0).finished()[5] = 99;
    claims.get(0).embedded()[4] = 104;
    assertThat(Claims.share(bounds, claims)).containsExactly(0, 5, 8);
  }

  /** Against all ways to share. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void shouldKeepAsMuchAsCanBe(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    for (int round = 0; round < 500; round++) {
      int members = 1 + random.nextInt(4);
      int slots = 8;
      int[] bounds = random.ints(members + 1, 0, slots + 1).sorted().toArray();
      bounds[0] = 0;
      bounds[members] = slots;
      List<Claims> claims = nobody(members, bounds);
      for (int slot = 0; slot < slots; slot++) {
        if (random.nextInt(5) == 0) { // an empty slot
          for (Claims claim : claims) {
            claim.fed()[slot] = 0;
          }
          continue;
        }
        long key = 100L + slot + (random.nextInt(6) == 0 ? 1000 : 0);
        Claims by = claims.get(random.nextInt(members));
        by.embedded()[slot] = key;
        by.finished()[slot] = random.nextBoolean() ? key : 0;
      }
      int[] shared = Claims.share(bounds, claims);
      assertThat(shared).isSorted().startsWith(0).endsWith(slots).hasSize(members + 1);
      assertThat(worth(shared, bounds, claims))
          .as(Arrays.toString(bounds))
          .isEqualTo(best(new int[members + 1], 1, bounds, claims));
    }
  }

  private static int best(int[] made, int member, int[] bounds, List<Claims> claims) {
    int members = claims.size();
    if (member == members) {
      made[members] = bounds[members];
      return worth(made, bounds, claims);
    }
    int best = -1;
    for (int at = made[member - 1]; at <= bounds[members]; at++) {
      made[member] = at;
      best = Math.max(best, best(made, member + 1, bounds, claims));
    }
    return best;
  }

  /** -1 if a slot is with a member that has no batch of it. */
  private static int worth(int[] shared, int[] bounds, List<Claims> claims) {
    int worth = 0;
    for (int m = 0; m < claims.size(); m++) {
      for (int slot = shared[m]; slot < shared[m + 1]; slot++) {
        long key = key(slot, claims);
        boolean finished = key != 0 && claims.get(m).finished()[slot] == key;
        boolean embedded = key != 0 && claims.get(m).embedded()[slot] == key;
        boolean given = slot >= bounds[m] && slot < bounds[m + 1];
        if (key != 0 && !given && !embedded) {
          return -1;
        }
        worth += finished ? 3 : embedded ? 1 : 0;
      }
    }
    return worth;
  }

  private static long key(int slot, List<Claims> claims) {
    return claims.stream().mapToLong(claim -> claim.fed()[slot]).max().orElseThrow();
  }

  @Test
  void shouldTellBatchesApart() {
    SmallRun run = new SmallRun(0.1, 13, 2, 32);
    SmallRun.Batch batch = run.batch(3, 4);
    SlotBatch slot = batch.slots().get(1);
    long key = Claims.key(batch.header(), slot);
    assertThat(
            Claims.key(
                run.batch(3, 4).header().withPaddedTokens(9), run.batch(3, 4).slots().get(1)))
        .isEqualTo(key);
    assertThat(Claims.key(batch.header(), run.batch(3, 5).slots().get(1))).isNotEqualTo(key);
    assertThat(Claims.key(batch.header(), batch.slots().get(2))).isNotEqualTo(key);
    assertThat(Claims.key(run.batch(4, 4).header(), slot)).isNotEqualTo(key);
  }
}
