package org.dunlin.data.checkpoint;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.message.LessonItem.Kind;

/** Who writes what of the state: pure, so that every member comes to the same. */
public final class StateShares {
  private static final List<Kind> KINDS =
      List.of(Kind.PARAMETER, Kind.FIRST_MOMENT, Kind.SECOND_MOMENT);

  private StateShares() {}

  /**
   * Spreads the trained tensors' parameters and moments, the largest first, each onto the share
   * that has least yet.
   *
   * @param tensors all parameters, in the run's one order
   * @param trained which of them, by name, get updates
   * @param shares how many, at least 1
   * @return a list a share, each in the tensors' order, parameters before moments; some are empty
   *     where there are more shares than tensors
   */
  public static List<List<StateTensor>> of(
      List<Tensor> tensors, Predicate<String> trained, int shares) {
    if (shares < 1) {
      throw new IllegalArgumentException("shares: " + shares + " (expected: >= 1)");
    }
    List<StateTensor> all = trained(tensors, trained);
    List<Integer> largestFirst = new ArrayList<>();
    for (int at = 0; at < all.size(); at++) {
      largestFirst.add(at);
    }
    // Stable: among equals the tensors' order decides.
    largestFirst.sort(Comparator.comparingLong(at -> -all.get(at).tensor().elements()));
    long[] load = new long[shares];
    int[] shareOf = new int[all.size()];
    for (int at : largestFirst) {
      int lightest = 0;
      for (int share = 1; share < shares; share++) {
        lightest = load[share] < load[lightest] ? share : lightest;
      }
      shareOf[at] = lightest;
      load[lightest] += all.get(at).tensor().elements();
    }
    List<List<StateTensor>> spread = new ArrayList<>();
    for (int share = 0; share < shares; share++) {
      spread.add(new ArrayList<>());
    }
    for (int at = 0; at < all.size(); at++) {
      spread.get(shareOf[at]).add(all.get(at));
    }
    return spread.stream().map(List::copyOf).toList();
  }

  /** The bytes of all shares' values together: what a checkpoint takes on disk, but for headers. */
  public static long bytes(List<Tensor> tensors, Predicate<String> trained) {
    return trained(tensors, trained).stream()
        .mapToLong(part -> part.tensor().elements() * Float.BYTES)
        .sum();
  }

  private static List<StateTensor> trained(List<Tensor> tensors, Predicate<String> trained) {
    return tensors.stream()
        .filter(tensor -> trained.test(tensor.name()))
        .flatMap(StateShares::withMoments)
        .toList();
  }

  static Stream<StateTensor> withMoments(Tensor tensor) {
    return KINDS.stream().map(kind -> new StateTensor(kind, tensor));
  }
}
