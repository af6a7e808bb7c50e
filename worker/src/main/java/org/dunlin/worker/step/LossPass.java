package org.dunlin.worker.step;

import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.collective.Partial;
import org.dunlin.worker.collective.SummationTree;
import org.dunlin.worker.collective.TreeFold;
import org.dunlin.worker.engine.ComputeThreads;
import org.dunlin.worker.loss.PassageGradients;
import org.dunlin.worker.loss.SlotLoss;

/** The loss of the own slots against everyone's passages, one compute thread a slot. */
final class LossPass {
  private final PassageGather gather;
  private final SlotLoss loss;

  LossPass(PassageGather gather, SlotLoss loss) {
    this.gather = gather;
    this.loss = loss;
  }

  // Every query's vectors meet every passage's, a token each, or the one that each of them has.
  private static long effort(SlotWork slot, StepHeader header) {
    if (!slot.queries().places().unified()) {
      return (long) slot.batch().queries() * header.passages();
    }
    long own =
        Arrays.stream(slot.batch().tokenIds(), 0, slot.batch().queries())
            .mapToLong(ids -> ids.length)
            .sum();
    return own * Arrays.stream(header.passageTokens()).asLongStream().sum();
  }

  /**
   * Gives every slot the gradients of its rows.
   *
   * @param passages everyone's
   * @param digests are shown what each slot gives, and gets
   * @return by own slot: its share of the mean
   */
  double[] run(
      ComputeThreads threads,
      NDManager step,
      StepHeader header,
      SummationTree tree,
      List<SlotWork> slots,
      SlotLoss.Passages passages,
      Exchange exchange,
      int[] slotBounds,
      SlotDigests digests) {
    TreeFold<PassageGradients> fold = new TreeFold<>(tree, PassageGradients::add);
    List<ComputeThreads.Work<Double>> work = new ArrayList<>();
    for (SlotWork slot : slots) {
      work.add(
          ComputeThreads.sized(
              effort(slot, header),
              () ->
                  "%d queries against %d passages"
                      .formatted(slot.batch().queries(), header.passages()),
              module -> {
                SlotLoss.Part part =
                    loss.of(
                        module,
                        step,
                        header,
                        slot.batch(),
                        slot.queries(),
                        passages,
                        slot.ofQueries());
                digests.lost(slot, part);
                fold.add(new Partial<>(tree.leaf(slot.batch().slot()), part.passages()));
                return part.loss();
              }));
    }
    List<Double> losses = threads.run("loss", work);
    gather.scatter(header, tree, fold.partials(), slots, exchange, slotBounds);
    slots.forEach(digests::handedBack);
    return losses.stream().mapToDouble(Double::doubleValue).toArray();
  }
}
