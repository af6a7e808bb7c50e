package org.dunlin.worker.collective;

/** The first frame of a transfer whose size only the sender knows: a few integers, at least one. */
final class Announcement {
  private Announcement() {}

  /** Appends the frame; a leading count makes it never empty. */
  static void add(Pieces pieces, int[] values, int frameBytes) {
    pieces.add(0, new Words.Ints(frame(values, frameBytes)), 0, bytes(values));
  }

  /** The integers of the frame. */
  static int[] frame(int[] values, int frameBytes) {
    if (bytes(values) > frameBytes) {
      throw new IllegalStateException(
          "partial sums: %d numbers (expected: at most %d, what a frame holds)"
              .formatted(values.length, frameBytes / Integer.BYTES - 1));
    }
    int[] frame = new int[1 + values.length];
    frame[0] = values.length;
    System.arraycopy(values, 0, frame, 1, values.length);
    return frame;
  }

  static int bytes(int[] values) {
    return (1 + values.length) * Integer.BYTES;
  }

  static int[] read(Payload payload) {
    int count = payload.ints().get(payload.word());
    if (payload.length() != (1 + count) * Integer.BYTES) {
      throw new IllegalStateException(
          "announced numbers: %d (expected: %d, the frame's)"
              .formatted(count, payload.words() - 1));
    }
    int[] values = new int[count];
    payload.ints().get(payload.word() + 1, values);
    return values;
  }
}
