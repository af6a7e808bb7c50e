package org.dunlin.worker.collective;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/** Sums of blocks and of row sets, against the plainest form of each, bit for bit. */
class SumsTest {

  @Property(tries = 200)
  void addsElementByElement(
      @ForAll @IntRange(min = 0, max = 5000) int size,
      @ForAll boolean heap,
      @ForAll boolean otherHeap,
      @ForAll long seed) {
    Random random = new Random(seed);
    float[] left = Floats.some(random, size);
    float[] right = Floats.some(random, size);
    int skipped = random.nextInt(5);
    FloatBuffer sum = at(skipped, left, heap);

    Sums.addInto(sum, at(random.nextInt(5), right, otherHeap));

    for (int i = 0; i < size; i++) {
      left[i] += right[i];
    }
    assertThat(Floats.bits(sum)).isEqualTo(Floats.bits(FloatBuffer.wrap(left)));
    assertThat(sum.position()).isEqualTo(skipped);
  }

  @Property(tries = 200)
  void sumsRowSetsLikeAMap(
      @ForAll @IntRange(min = 1, max = 9) int slots,
      @ForAll @IntRange(min = 1, max = 33) int width,
      @ForAll long seed) {
    Random random = new Random(seed);
    BitSet empty = new BitSet();
    empty.set(slots, 16);
    SummationTree tree = new SummationTree(16, empty);
    TreeFold<RowSet> fold = RowSet.folding(tree);
    TreeFold<Map<Integer, float[]>> plain = new TreeFold<>(tree, SumsTest::union);
    for (int slot = 0; slot < slots; slot++) {
      RowSet rows = Floats.someRows(random, 40, width);
      Map<Integer, float[]> map = new TreeMap<>();
      for (int r = 0; r < rows.rows().length; r++) {
        float[] row = new float[width];
        rows.values().get(r * width, row);
        map.put(rows.rows()[r], row);
      }
      fold.add(new Partial<>(tree.leaf(slot), rows));
      plain.add(new Partial<>(tree.leaf(slot), map));
    }

    RowSet sum = fold.whole();

    assertThat(Arrays.stream(sum.rows()).boxed()).containsExactlyElementsOf(plain.whole().keySet());
    FloatBuffer expected = FloatBuffer.allocate(sum.rows().length * width);
    plain.whole().values().forEach(expected::put);
    assertThat(Floats.bits(sum.values())).isEqualTo(Floats.bits(expected.flip()));
  }

  @Example
  void copiesARowThatOnlyOneSideTouched() {
    SummationTree tree = new SummationTree(2, new BitSet());
    TreeFold<RowSet> fold = RowSet.folding(tree);
    fold.add(new Partial<>(2, new RowSet(new int[] {7}, 1, FloatBuffer.wrap(new float[] {-0f}))));
    fold.add(new Partial<>(3, new RowSet(new int[] {3}, 1, FloatBuffer.wrap(new float[] {-0f}))));

    assertThat(fold.whole().rows()).containsExactly(3, 7);
    assertThat(Floats.bits(fold.whole().values())).containsOnly(Float.floatToRawIntBits(-0f));
  }

  private static FloatBuffer at(int position, float[] values, boolean heap) {
    FloatBuffer buffer = Floats.buffer(position + values.length + 3, heap);
    return buffer.put(position, values).position(position).limit(position + values.length);
  }

  private static Map<Integer, float[]> union(
      Map<Integer, float[]> left, Map<Integer, float[]> right) {
    Map<Integer, float[]> sum = new TreeMap<>(left);
    right.forEach(
        (row, values) ->
            sum.merge(
                row,
                values,
                (a, b) -> {
                  float[] both = a.clone();
                  for (int i = 0; i < both.length; i++) {
                    both[i] += b[i];
                  }
                  return both;
                }));
    return sum;
  }
}
