package org.dunlin.worker.collective;

import java.nio.FloatBuffer;
import java.util.BitSet;
import java.util.List;
import org.dunlin.protocol.frame.FrameHeader;

/**
 * Everyone sends everyone that one's part of its partial sums, chunk by chunk, all partials of a
 * chunk before the next one: so only one chunk is being summed, and the rest waits in the streams.
 */
final class Scatter implements Transfer {
  private final Exchange.Kind kind;
  private final long step;
  private final SummationTree tree;
  private final List<Partial<FloatBuffer>> partials;
  private final int[] bounds;
  private final int own;
  private final int chunkFloats;
  private final ChunkFold fold;
  private final Words announcement;
  private final int announcementBytes;
  private final Words[] blocks;
  private final int[][] announced; // nodes, by member
  private final Piece expected = new Piece();
  private int unannounced;
  private int chunk;

  Scatter(
      Exchange.Kind kind,
      long step,
      SummationTree tree,
      List<Partial<FloatBuffer>> partials,
      int[] bounds,
      int own,
      FloatBuffer sum,
      int frameBytes) {
    this.kind = kind;
    this.step = step;
    this.tree = tree;
    this.partials = partials;
    this.bounds = bounds;
    this.own = own;
    this.chunkFloats = frameBytes / Float.BYTES;
    this.fold = new ChunkFold(tree, chunkFloats, sum);
    int[] nodes = partials.stream().mapToInt(Partial::node).toArray();
    this.announcement = new Words.Ints(Announcement.frame(nodes, frameBytes));
    this.announcementBytes = Announcement.bytes(nodes);
    this.blocks = partials.stream().map(p -> new Words.Floats(p.block())).toArray(Words[]::new);
    this.announced = new int[bounds.length - 1][];
    announced[own] = nodes;
    this.unannounced = announced.length - 1;
    beginChunk();
  }

  private int chunks(int member) {
    return (bounds[member + 1] - bounds[member] + chunkFloats - 1) / chunkFloats;
  }

  private int chunkFrom(int member, int number) {
    return bounds[member] + number * chunkFloats;
  }

  private int chunkLength(int member, int number) {
    return Math.min(chunkFloats, bounds[member + 1] - chunkFrom(member, number));
  }

  // Adds the own partials; where they are all there are, goes on.
  private void beginChunk() {
    while (chunk < chunks(own)) {
      int from = chunkFrom(own, chunk);
      fold.begin(from, chunkLength(own, chunk));
      for (int p = 0; p < partials.size(); p++) {
        fold.add(partials.get(p).node(), partials.get(p).block(), from, true);
      }
      if (!fold.isComplete()) {
        return;
      }
      chunk++;
    }
  }

  @Override
  public Exchange.Kind kind() {
    return kind;
  }

  @Override
  public long step() {
    return step;
  }

  @Override
  public int framesTo(int member) {
    return Math.addExact(1, Math.multiplyExact(chunks(member), blocks.length));
  }

  @Override
  public void locate(int member, int index, Piece piece) {
    if (index == 0) {
      piece.set(0, announcement, 0, announcementBytes);
      return;
    }
    int number = (index - 1) / blocks.length;
    int partial = (index - 1) % blocks.length;
    piece.set(
        partials.get(partial).node(),
        blocks[partial],
        (long) chunkFrom(member, number) * Float.BYTES,
        chunkLength(member, number) * Float.BYTES);
  }

  @Override
  public int framesFrom(int member) {
    int[] nodes = announced[member];
    return nodes == null ? 1 : Math.addExact(1, Math.multiplyExact(chunks(own), nodes.length));
  }

  @Override
  public boolean take(int member, int index, FrameHeader header, Payload payload) {
    if (index == 0) {
      announced[member] = Announcement.read(payload);
      if (--unannounced == 0) {
        checkAllSlots();
      }
      return true;
    }
    int[] nodes = announced[member];
    int number = (index - 1) / nodes.length;
    if (number > chunk) {
      return false;
    }
    int node = nodes[(index - 1) % nodes.length];
    int from = chunkFrom(own, chunk);
    expected.set(
        node, announcement, (long) from * Float.BYTES, chunkLength(own, chunk) * Float.BYTES);
    expected.check(header);
    fold.add(node, payload.floats(), payload.word(), false);
    if (fold.isComplete()) {
      chunk++;
      beginChunk();
    }
    return true;
  }

  private void checkAllSlots() {
    BitSet covered = new BitSet();
    for (int[] nodes : announced) {
      for (int node : nodes) {
        if (node < 1 || node >= 2 * tree.slots() || !tree.isPresent(node)) {
          throw new IllegalStateException(
              "node: " + node + " (expected: one with slots of this step)");
        }
        int first = tree.firstSlot(node);
        int depth = Integer.numberOfLeadingZeros(node) - Integer.numberOfLeadingZeros(tree.slots());
        int end = first + (1 << depth);
        if (covered.nextSetBit(first) >= 0 && covered.nextSetBit(first) < end) {
          throw new IllegalStateException("node " + node + " was summed twice");
        }
        covered.set(first, end);
      }
    }
    for (int slot = 0; slot < tree.slots(); slot++) {
      if (tree.isPresent(tree.leaf(slot)) && !covered.get(slot)) {
        throw new IllegalStateException("no member has summed slot " + slot);
      }
    }
  }
}
