package org.dunlin.worker.collective;

import java.util.function.IntSupplier;
import org.dunlin.protocol.frame.FrameHeader;

/** Everyone sends everyone its part of a block. */
final class Gather implements Transfer {
  private final Exchange.Kind kind;
  private final long step;
  private final Pieces[] parts; // by member
  private final Pieces own;
  private final long ownBytes;
  private final int unitBytes;
  private final int frameBytes;
  private final IntSupplier filled;

  /**
   * @param bounds of the members' parts, in units of {@code unitBytes}
   * @param filled so many units of the own part
   */
  Gather(
      Exchange.Kind kind,
      long step,
      Words whole,
      int[] bounds,
      int unitBytes,
      int own,
      int frameBytes,
      IntSupplier filled) {
    this.kind = kind;
    this.step = step;
    this.parts = new Pieces[bounds.length - 1];
    for (int m = 0; m < parts.length; m++) {
      parts[m] = new Pieces(frameBytes);
      parts[m].add(0, whole, (long) bounds[m] * unitBytes, (long) bounds[m + 1] * unitBytes);
    }
    this.own = parts[own];
    this.ownBytes = (long) (bounds[own + 1] - bounds[own]) * unitBytes;
    this.unitBytes = unitBytes;
    this.frameBytes = frameBytes;
    this.filled = filled;
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
  public boolean isReady(int index) {
    long end = Math.min(ownBytes, (index + 1L) * frameBytes);
    return (long) filled.getAsInt() * unitBytes >= end;
  }

  @Override
  public void locate(int member, int index, Piece piece) {
    own.locate(index, piece);
  }

  @Override
  public int framesFrom(int member) {
    return parts[member].frames();
  }

  @Override
  public boolean take(int member, int index, FrameHeader header, Payload payload) {
    parts[member].take(index, header, payload);
    return true;
  }
}
