package org.dunlin.worker.collective;

import java.util.ArrayList;
import java.util.List;
import org.dunlin.protocol.frame.FrameHeader;

/** Parts of blocks one after the other, cut into frames. Both ends of a stream have the same. */
final class Pieces {
  private record Part(int node, Words words, long from, long to) {}

  private final int frameBytes;
  private final List<Part> parts = new ArrayList<>();
  private final Piece piece = new Piece();
  private int frames;

  Pieces(int frameBytes) {
    this.frameBytes = frameBytes;
  }

  /** Appends a block's bytes {@code from} to {@code to}. */
  Pieces add(int node, Words words, long from, long to) {
    parts.add(new Part(node, words, from, to));
    frames = Math.addExact(frames, frames(from, to));
    return this;
  }

  private int frames(long from, long to) {
    return Math.toIntExact((to - from + frameBytes - 1) / frameBytes);
  }

  int frames() {
    return frames;
  }

  /** The piece that frame {@code index} carries. */
  void locate(int index, Piece target) {
    int left = index;
    for (int p = 0; p < parts.size(); p++) {
      Part part = parts.get(p);
      int here = frames(part.from(), part.to());
      if (left < here) {
        long at = part.from() + (long) left * frameBytes;
        target.set(part.node(), part.words(), at, (int) Math.min(frameBytes, part.to() - at));
        return;
      }
      left -= here;
    }
    throw new IllegalStateException("frame: " + index + " (expected: below " + frames + ")");
  }

  /** Copies what frame {@code index} brought into its block. */
  void take(int index, FrameHeader header, Payload payload) {
    locate(index, piece);
    piece.check(header);
    piece.words().copyFrom(payload, piece.offset());
  }
}
