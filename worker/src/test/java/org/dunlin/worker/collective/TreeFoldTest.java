package org.dunlin.worker.collective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/** Sums are written as text here, so that another order or shape is another sum. */
class TreeFoldTest {

  @Property
  void sumsAsTheRecursiveDefinitionInAnyOrder(
      @ForAll @IntRange(min = 0, max = 6) int log2, @ForAll long seed) {
    Random random = new Random(seed);
    SummationTree tree = someTree(1 << log2, random);
    List<Integer> slots = present(tree, 0, tree.slots());
    Collections.shuffle(slots, random);

    TreeFold<String> fold = folding(tree);
    slots.forEach(slot -> fold.add(leaf(tree, slot)));

    assertThat(fold.whole()).isEqualTo(recursive(tree, 1));
  }

  @Property
  void sumsTheSameFromPartialsOfAnyRanges(
      @ForAll @IntRange(min = 0, max = 6) int log2, @ForAll long seed) {
    Random random = new Random(seed);
    SummationTree tree = someTree(1 << log2, random);
    List<Partial<String>> partials = new ArrayList<>();
    for (int from = 0; from < tree.slots(); ) {
      int to = from + 1 + random.nextInt(tree.slots() - from);
      TreeFold<String> range = folding(tree);
      present(tree, from, to).forEach(slot -> range.add(leaf(tree, slot)));
      assertThat(range.partials()).hasSizeLessThanOrEqualTo(Math.max(1, 2 * log2));
      assertThat(range.partials().stream().map(p -> tree.firstSlot(p.node()))).isSorted();
      partials.addAll(range.partials());
      from = to;
    }
    Collections.shuffle(partials, random);

    TreeFold<String> fold = folding(tree);
    partials.forEach(fold::add);

    assertThat(fold.whole()).isEqualTo(recursive(tree, 1));
  }

  @Property
  void keepsFewBlocksWaitingWhenSlotsComeInOrder(
      @ForAll @IntRange(min = 0, max = 8) int log2, @ForAll long seed) {
    SummationTree tree = someTree(1 << log2, new Random(seed));
    TreeFold<String> fold = folding(tree);
    for (int slot : present(tree, 0, tree.slots())) {
      fold.add(leaf(tree, slot));
      assertThat(fold.partials()).hasSizeLessThanOrEqualTo(log2 + 1);
    }
  }

  @Property
  void knowsTheFirstSlotOfANode(@ForAll @IntRange(min = 0, max = 8) int log2) {
    SummationTree tree = new SummationTree(1 << log2, new BitSet());
    for (int node = 1; node < 2 * tree.slots(); node++) {
      int leftmost = node;
      while (leftmost < tree.slots()) {
        leftmost *= 2;
      }
      assertThat(tree.firstSlot(node)).isEqualTo(leftmost - tree.slots());
    }
  }

  @Example
  void copiesWhatHasNoSibling() {
    BitSet empty = new BitSet();
    empty.set(0, 8);
    empty.clear(5);
    SummationTree tree = new SummationTree(8, empty);
    TreeFold<FloatBuffer> fold = Sums.folding(tree);

    fold.add(new Partial<>(tree.leaf(5), FloatBuffer.wrap(new float[] {-0.0f})));

    assertThat(Float.floatToRawIntBits(fold.whole().get(0)))
        .isEqualTo(Float.floatToRawIntBits(-0.0f));
  }

  @Example
  void refusesWhatIsNoSumOfAllSlots() {
    SummationTree tree = new SummationTree(4, BitSet.valueOf(new long[] {0b1000}));
    TreeFold<String> fold = folding(tree);
    fold.add(leaf(tree, 0));

    assertThatThrownBy(() -> fold.add(leaf(tree, 0))).hasMessage("node 4 was summed twice");
    assertThatThrownBy(() -> fold.add(leaf(tree, 3))).hasMessageStartingWith("node: 7 (expected:");
    assertThatThrownBy(() -> fold.add(new Partial<>(0, "?"))).hasMessageStartingWith("node: 0");
    assertThatThrownBy(fold::whole).hasMessage("summed nodes: [4] (expected: [1], all slots)");
  }

  private static SummationTree someTree(int slots, Random random) {
    BitSet empty = new BitSet();
    for (int slot = 0; slot < slots; slot++) {
      empty.set(slot, random.nextInt(3) == 0);
    }
    empty.clear(random.nextInt(slots));
    return new SummationTree(slots, empty);
  }

  private static List<Integer> present(SummationTree tree, int from, int to) {
    List<Integer> slots = new ArrayList<>();
    for (int slot = from; slot < to; slot++) {
      if (tree.isPresent(tree.leaf(slot))) {
        slots.add(slot);
      }
    }
    return slots;
  }

  private static TreeFold<String> folding(SummationTree tree) {
    return new TreeFold<>(tree, (left, right) -> "(" + left + "+" + right + ")");
  }

  private static Partial<String> leaf(SummationTree tree, int slot) {
    return new Partial<>(tree.leaf(slot), "s" + slot);
  }

  private static String recursive(SummationTree tree, int node) {
    if (node >= tree.slots()) {
      return "s" + (node - tree.slots());
    }
    if (!tree.isPresent(2 * node)) {
      return recursive(tree, 2 * node + 1);
    }
    if (!tree.isPresent(2 * node + 1)) {
      return recursive(tree, 2 * node);
    }
    return "(" + recursive(tree, 2 * node) + "+" + recursive(tree, 2 * node + 1) + ")";
  }
}
