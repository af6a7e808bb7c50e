package org.dunlin.worker.collective;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import org.dunlin.protocol.frame.FrameHeader;

/** Everyone sends everyone its row sets: first which and how large, then all of them. */
final class RowsTransfer implements Transfer {
  private final Exchange.Kind kind;
  private final long step;
  private final int width;
  private final int frameBytes;
  private final Pieces own;
  private final Pieces[] theirs; // by member; null until announced
  private final List<Partial<RowSet>> all;

  RowsTransfer(
      Exchange.Kind kind,
      long step,
      List<Partial<RowSet>> partials,
      int width,
      int members,
      int frameBytes) {
    this.kind = kind;
    this.step = step;
    this.width = width;
    this.frameBytes = frameBytes;
    this.theirs = new Pieces[members];
    this.all = new ArrayList<>(partials);
    int[] sizes = new int[2 * partials.size()];
    for (int p = 0; p < partials.size(); p++) {
      sizes[2 * p] = partials.get(p).node();
      sizes[2 * p + 1] = partials.get(p).block().rows().length;
    }
    this.own = new Pieces(frameBytes);
    Announcement.add(own, sizes, frameBytes);
    partials.forEach(partial -> append(own, partial));
  }

  private void append(Pieces pieces, Partial<RowSet> partial) {
    RowSet set = partial.block();
    long rows = set.rows().length;
    pieces.add(partial.node(), new Words.Ints(set.rows()), 0, rows * Integer.BYTES);
    pieces.add(partial.node(), new Words.Floats(set.values()), 0, rows * width * Float.BYTES);
  }

  /** Own and arrived ones. */
  List<Partial<RowSet>> all() {
    return all;
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
    return own.frames();
  }

  @Override
  public void locate(int member, int index, Piece piece) {
    own.locate(index, piece);
  }

  @Override
  public int framesFrom(int member) {
    return theirs[member] == null ? 1 : 1 + theirs[member].frames();
  }

  @Override
  public boolean take(int member, int index, FrameHeader header, Payload payload) {
    if (index > 0) {
      theirs[member].take(index - 1, header, payload);
      return true;
    }
    int[] sizes = Announcement.read(payload);
    theirs[member] = new Pieces(frameBytes);
    for (int i = 0; i < sizes.length; i += 2) {
      int count = sizes[i + 1];
      FloatBuffer values = FloatBuffer.allocate(Math.multiplyExact(count, width));
      Partial<RowSet> partial = new Partial<>(sizes[i], new RowSet(new int[count], width, values));
      append(theirs[member], partial);
      all.add(partial);
    }
    return true;
  }
}
