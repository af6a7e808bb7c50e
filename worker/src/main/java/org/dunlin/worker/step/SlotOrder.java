package org.dunlin.worker.step;

import java.util.List;
import java.util.Optional;

/**
 * Hands out slots' micro-batches for the backward pass. A slot's gradients are added in the order
 * of its micro-batches, so two threads in one slot wait for each other: each gets a slot of its own
 * as long as there are any, and helps in another's only at the end. As many slots are open at once
 * as there are threads. What a broken-off pass has done of a slot is not handed out again.
 * Thread-safe.
 */
final class SlotOrder {
  /** One micro-batch of a slot. */
  record Piece(SlotWork slot, int number) {}

  private final List<SlotWork> slots;
  private final int[] handedOut;
  private final int[] running;

  SlotOrder(List<SlotWork> slots) {
    this.slots = slots;
    this.handedOut = slots.stream().mapToInt(SlotWork::summed).toArray();
    this.running = new int[slots.size()];
  }

  /** The next piece, or empty when all are handed out. */
  synchronized Optional<Piece> next() {
    int best = -1;
    for (int s = 0; s < handedOut.length; s++) {
      if (handedOut[s] < slots.get(s).microBatches() && (best < 0 || isBetter(s, best))) {
        best = s;
      }
    }
    if (best < 0) {
      return Optional.empty();
    }
    running[best]++;
    return Optional.of(new Piece(slots.get(best), handedOut[best]++));
  }

  // Fewest threads first, and of those the slots that are open already.
  private boolean isBetter(int slot, int than) {
    if (running[slot] != running[than]) {
      return running[slot] < running[than];
    }
    return handedOut[slot] > 0 && handedOut[than] == 0;
  }

  /** Says that a piece is done with. */
  synchronized void done(Piece piece) {
    running[slots.indexOf(piece.slot())]--;
  }
}
