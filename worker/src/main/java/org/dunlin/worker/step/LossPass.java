package org.dunlin.worker.step;

import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
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
          module -> {
            SlotLoss.Part part =
                loss.of(
                    module, step, header, slot.batch(), slot.queries(), passages, slot.ofQueries());
            digests.lost(slot, part);
            fold.add(new Partial<>(tree.leaf(slot.batch().slot()), part.passages()));
            return part.loss();
          });
    }
    List<Double> losses = threads.run("loss", work);
    gather.scatter(header, tree, fold.partials(), slots, exchange, slotBounds);
    slots.forEach(digests::handedBack);
    return losses.stream().mapToDouble(Double::doubleValue).toArray();
  }
}
