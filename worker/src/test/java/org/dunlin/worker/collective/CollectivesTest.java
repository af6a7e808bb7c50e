package org.dunlin.worker.collective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.dunlin.worker.collective.Exchange.Kind;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What members get together has the bits that one member alone gets, however slots are dealt. */
class CollectivesTest {
  private static final int SLOTS = 16;

  /** Floats of a frame within one host. */
  private static final int CHUNK = 65_344 / Float.BYTES;

  /** A step whose slots and parts are dealt by chance: some empty, some members without any. */
  private static final class Deal {
    final Random random;
    final SummationTree tree;
    final int[] slotBounds;

    Deal(int members, long seed) {
      random = new Random(seed);
      BitSet empty = new BitSet();
      for (int slot = 0; slot < SLOTS; slot++) {
        empty.set(slot, random.nextInt(4) == 0);
      }
      empty.clear(random.nextInt(SLOTS));
      tree = new SummationTree(SLOTS, empty);
      slotBounds = bounds(members, SLOTS);
    }

    int[] bounds(int members, int size) {
      int[] bounds = new int[members + 1];
      for (int m = 1; m < members; m++) {
        bounds[m] = random.nextInt(size + 1);
      }
      bounds[members] = size;
      Arrays.sort(bounds);
      return bounds;
    }

    <B> List<Partial<B>> partials(int from, int to, TreeFold<B> fold, List<B> slots) {
      for (int slot = from; slot < to; slot++) {
        if (tree.isPresent(tree.leaf(slot))) {
          fold.add(new Partial<>(tree.leaf(slot), slots.get(slot)));
        }
      }
      return fold.partials();
    }

    List<Partial<FloatBuffer>> blocks(int from, int to, float[][] slots) {
      List<FloatBuffer> copies = new ArrayList<>();
      for (int slot = 0; slot < SLOTS; slot++) {
        boolean own = slot >= from && slot < to && slots[slot] != null;
        copies.add(own ? Floats.copy(slots[slot], slot % 3 == 0) : FloatBuffer.allocate(0));
      }
      return partials(from, to, Sums.folding(tree), copies);
    }

    List<Partial<RowSet>> rows(int from, int to, List<RowSet> slots) {
      return partials(from, to, RowSet.folding(tree), slots);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5, 7})
  void sumsBlocksToTheSameBitsForAnyNumberOfMembers(int members) throws Exception {
    try (Members together = Members.connected(members)) {
      for (int size : new int[] {1, 13, 207, 1021, 3 * CHUNK + 17}) {
        reducesLikeAlone(together, size, 31L * members + size);
      }
    }
  }

  /** What is not there yet is not sent: the parts are filled piece by piece, meanwhile. */
  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void gathersWhatIsStillBeingFilled(int members) throws Exception {
    int each = 5 * CHUNK + 17;
    int[] bounds = IntStream.rangeClosed(0, members).map(m -> m * each).toArray();
    try (Members together = Members.connected(members)) {
      List<FloatBuffer> gathered =
          together.all(
              m -> {
                FloatBuffer whole = Floats.buffer(bounds[members], true);
                AtomicInteger filled = new AtomicInteger();
                Thread filling =
                    Thread.startVirtualThread(
                        () -> {
                          while (filled.get() < each) {
                            int until = Math.min(each, filled.get() + 1 + CHUNK / 3);
                            for (int i = filled.get(); i < until; i++) {
                              whole.put(bounds[m] + i, bounds[m] + i);
                            }
                            filled.set(until);
                            Thread.onSpinWait();
                          }
                        });
                together.exchange(m).allGather(8, Kind.TOKEN_VECTORS, whole, bounds, filled::get);
                filling.join();
                return whole;
              });
      for (FloatBuffer whole : gathered) {
        for (int i = 0; i < bounds[members]; i++) {
          assertThat(whole.get(i)).isEqualTo((float) i);
        }
      }
    }
  }

  @Test
  void endsAGatherWhosePartWillNeverBeFilled() throws Exception {
    try (Members together = Members.connected(2)) {
      Future<Boolean> waiting =
          together.start(
              () -> {
                FloatBuffer whole = Floats.buffer(20, true);
                together.exchange(1).allGather(8, Kind.EMBEDDINGS, whole, new int[] {0, 10, 20});
                return true;
              });
      FloatBuffer whole = Floats.buffer(20, true);
      assertThatThrownBy(
              () ->
                  together
                      .exchange(0)
                      .allGather(
                          8,
                          Kind.EMBEDDINGS,
                          whole,
                          new int[] {0, 10, 20},
                          () -> {
                            throw new IllegalStateException("no more memory");
                          }))
          .hasMessage("no more memory");
      together.exchange(0).close();
      assertThatThrownBy(() -> Members.join(waiting)).isInstanceOf(Parting.class);
    }
  }

  @ParameterizedTest
  @CsvSource({"2, 8000003", "7, 2000003"})
  void sendsMoreThanSocketsHoldFromAllMembersAtOnce(int members, int size) throws Exception {
    try (Members together = Members.connected(members)) {
      reducesLikeAlone(together, size, members);
    }
  }

  @Tag("long")
  @ParameterizedTest
  @ValueSource(ints = {2, 4})
  void sumsAsManyFloatsAsASmallModelHas(int members) throws Exception {
    try (Members together = Members.connected(members)) {
      sumsOneBlockAMember(together, 22_000_000);
    }
  }

  /** Against a plain sum; two or four members, each with one slot. */
  static void sumsOneBlockAMember(Members together, int size) throws Exception {
    int members = together.count();
    float[][] slots = new float[members][];
    for (int m = 0; m < members; m++) {
      slots[m] = Floats.some(new Random(m), size);
    }
    float[] expected = new float[size];
    for (int i = 0; i < size; i++) {
      float left = slots[0][i] + slots[1][i];
      expected[i] = members == 2 ? left : left + (slots[2][i] + slots[3][i]);
    }
    SummationTree tree = new SummationTree(members, new BitSet());
    int[] bounds = new Deal(members, 5).bounds(members, size);
    List<FloatBuffer> sums =
        together.all(
            m -> {
              FloatBuffer sum = Floats.buffer(size, false);
              List<Partial<FloatBuffer>> own =
                  List.of(new Partial<>(tree.leaf(m), Floats.copy(slots[m], false)));
              together.exchange(m).reduceScatter(1, Kind.GRADIENTS, tree, own, bounds, sum);
              together.exchange(m).allGather(1, Kind.GRADIENTS, sum, bounds);
              return sum;
            });
    for (FloatBuffer sum : sums) {
      assertThat(Arrays.equals(Floats.bits(sum), Floats.bits(FloatBuffer.wrap(expected)))).isTrue();
    }
  }

  static void reducesLikeAlone(Members members, int size, long seed) throws Exception {
    Deal deal = new Deal(members.count(), seed);
    float[][] slots = new float[SLOTS][];
    for (int slot = 0; slot < SLOTS; slot++) {
      boolean present = deal.tree.isPresent(deal.tree.leaf(slot));
      slots[slot] = present ? Floats.some(deal.random, size) : null;
    }
    int[] bounds = deal.bounds(members.count(), size);
    FloatBuffer expected = FloatBuffer.allocate(size);
    List<Partial<FloatBuffer>> whole = deal.blocks(0, SLOTS, slots);
    new Alone().reduceScatter(5, Kind.GRADIENTS, deal.tree, whole, new int[] {0, size}, expected);

    List<FloatBuffer> sums =
        members.all(
            m -> {
              Exchange exchange = members.exchange(m);
              FloatBuffer sum = Floats.buffer(size, m % 2 == 0);
              List<Partial<FloatBuffer>> own =
                  deal.blocks(deal.slotBounds[m], deal.slotBounds[m + 1], slots);
              exchange.reduceScatter(5, Kind.GRADIENTS, deal.tree, own, bounds, sum);
              exchange.allGather(5, Kind.GRADIENTS, sum, bounds);
              return sum;
            });

    for (FloatBuffer sum : sums) {
      assertThat(Arrays.equals(Floats.bits(sum), Floats.bits(expected)))
          .as("%d members, %d floats, seed %d", members.count(), size, seed)
          .isTrue();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5, 7})
  void leavesTheOthersPartsOfASumAlone(int members) throws Exception {
    try (Members together = Members.connected(members)) {
      Deal deal = new Deal(members, 9);
      float[][] slots = new float[SLOTS][1021];
      int[] bounds = deal.bounds(members, 1021);
      together.all(
          m -> {
            FloatBuffer sum = FloatBuffer.wrap(Floats.some(new Random(1), 1021));
            int[] before = Floats.bits(sum);
            List<Partial<FloatBuffer>> own =
                deal.blocks(deal.slotBounds[m], deal.slotBounds[m + 1], slots);
            together.exchange(m).reduceScatter(1, Kind.GRADIENTS, deal.tree, own, bounds, sum);
            int[] after = Floats.bits(sum);
            Arrays.fill(before, bounds[m], bounds[m + 1], 0);
            assertThat(after).isEqualTo(before);
            return m;
          });
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5, 7})
  void sumsRowSetsToTheSameBitsForAnyNumberOfMembers(int members) throws Exception {
    try (Members together = Members.connected(members)) {
      for (int width : new int[] {1, 13, 207, 1021}) {
        Deal deal = new Deal(members, 17L * members + width);
        List<RowSet> slots = new ArrayList<>();
        for (int slot = 0; slot < SLOTS; slot++) {
          slots.add(Floats.someRows(deal.random, slot == 4 ? 0 : 300, width));
        }
        RowSet expected =
            new Alone()
                .allReduceRows(
                    2, Kind.EMBEDDING_ROWS, deal.tree, deal.rows(0, SLOTS, slots), width);

        List<RowSet> sums =
            together.all(
                m ->
                    together
                        .exchange(m)
                        .allReduceRows(
                            2,
                            Kind.EMBEDDING_ROWS,
                            deal.tree,
                            deal.rows(deal.slotBounds[m], deal.slotBounds[m + 1], slots),
                            width));

        for (RowSet sum : sums) {
          assertThat(sum.rows()).isEqualTo(expected.rows());
          assertThat(Floats.bits(sum.values())).isEqualTo(Floats.bits(expected.values()));
        }
      }
    }
  }
}
