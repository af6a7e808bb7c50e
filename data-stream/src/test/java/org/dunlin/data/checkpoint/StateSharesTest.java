package org.dunlin.data.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.message.LessonItem.Kind;

/** Every trained value has one writer, and no writer much more than another. */
class StateSharesTest {
  @Property
  void shouldSpreadEveryTrainedTensorOnceAndInOrder(
      @ForAll @Size(max = 40) List<@IntRange(min = 1, max = 1000) Integer> sizes,
      @ForAll @IntRange(min = 1, max = 9) int shares) {
    List<Tensor> tensors = tensors(sizes);
    List<List<StateTensor>> spread = StateShares.of(tensors, StateSharesTest::isTrained, shares);
    assertThat(spread).hasSize(shares);
    List<StateTensor> all = StateShares.of(tensors, StateSharesTest::isTrained, 1).get(0);
    assertThat(spread.stream().flatMap(List::stream)).containsExactlyInAnyOrderElementsOf(all);
    List<StateTensor> expected = new ArrayList<>();
    for (Tensor tensor : tensors) {
      if (isTrained(tensor.name())) {
        for (Kind kind : List.of(Kind.PARAMETER, Kind.FIRST_MOMENT, Kind.SECOND_MOMENT)) {
          expected.add(new StateTensor(kind, tensor));
        }
      }
    }
    assertThat(all).containsExactlyElementsOf(expected);
    for (List<StateTensor> share : spread) {
      assertThat(share.stream().map(all::indexOf)).isSorted();
    }
    assertThat(StateShares.of(tensors, StateSharesTest::isTrained, shares)).isEqualTo(spread);
  }

  @Property
  void shouldNotGiveAShareMoreThanALeastOneAndOneTensor(
      @ForAll @Size(min = 1, max = 40) List<@IntRange(min = 1, max = 1000) Integer> sizes,
      @ForAll @IntRange(min = 1, max = 9) int shares) {
    List<Long> loads =
        StateShares.of(tensors(sizes), name -> true, shares).stream()
            .map(share -> share.stream().mapToLong(part -> part.tensor().elements()).sum())
            .toList();
    long least = loads.stream().mapToLong(Long::longValue).min().orElseThrow();
    long most = loads.stream().mapToLong(Long::longValue).max().orElseThrow();
    long largest = sizes.stream().mapToLong(Integer::longValue).max().orElseThrow();
    assertThat(most - least).isLessThanOrEqualTo(largest);
    assertThat(loads.stream().mapToLong(Long::longValue).sum() * Float.BYTES)
        .isEqualTo(StateShares.bytes(tensors(sizes), name -> true));
  }

  private static boolean isTrained(String name) {
    return !name.endsWith("3");
  }

  private static List<Tensor> tensors(List<Integer> sizes) {
    List<Tensor> tensors = new ArrayList<>();
    for (int size : sizes) {
      tensors.add(new Tensor("t" + tensors.size(), List.of((long) size)));
    }
    return tensors;
  }
}
