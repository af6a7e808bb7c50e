package org.dunlin.protocol.frame;

import java.nio.ByteOrder;
import org.agrona.DirectBuffer;
import org.agrona.MutableDirectBuffer;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * The head of a frame, seen through a window that is laid over it: wrap, then read or write.
 *
 * <pre>
 *   0 CRC32C   4 layout   6 kind    8 term          16 generation
 *  24 step    32 transfer 36 index  40 node  44 sender
 *  48 offset  56 length   60 wanted transfer 64 wanted index  68 damaged
 *  72 counter 80 seal (16 bytes)   96 payload
 * </pre>
 *
 * Integers are little-endian; the payload's words are in the byte order of the machine, which is
 * why {@link #LAYOUT} differs between the orders. Each frame also tells where its sender stands as
 * a receiver (wanted, damaged), so that data acknowledges data.
 *
 * <p>The seal's bytes are 0 and covered by the checksum until frames are sealed: then they hold the
 * tag of AES-GCM, whose nonce is (term, generation, sender, counter). The counter never repeats in
 * a generation, also not when a frame is sent again.
 *
 * <p>One thread at a time; reused for any number of frames.
 */
public final class FrameHeader {
  /** Bytes before the payload. */
  public static final int BYTES = 96;

  /** A frame without a payload, which tells only what its sender wants. */
  public static final int KIND_STATUS = 0;

  /** Version of this layout, and the byte order of the payload's words. */
  public static final int LAYOUT = ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN ? 1 : 0x101;

  /** Where what the checksum covers begins; it ends with the payload. */
  public static final int CHECKED_FROM = 4;

  /** Where a seal's tag has its room. */
  public static final int SEAL_AT = 80;

  /** Size of a seal's tag. */
  public static final int SEAL_BYTES = 16;

  private static final int LAYOUT_AT = 4;
  private static final int KIND_AT = 6;
  private static final int TERM_AT = 8;
  private static final int GENERATION_AT = 16;
  private static final int STEP_AT = 24;
  private static final int TRANSFER_AT = 32;
  private static final int INDEX_AT = 36;
  private static final int NODE_AT = 40;
  private static final int SENDER_AT = 44;
  private static final int OFFSET_AT = 48;
  private static final int LENGTH_AT = 56;
  private static final int WANTED_TRANSFER_AT = 60;
  private static final int WANTED_INDEX_AT = 64;
  private static final int DAMAGED_AT = 68;
  private static final int COUNTER_AT = 72;

  private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

  private final UnsafeBuffer frame = new UnsafeBuffer(0, 0);

  /** Lays the window over a frame's first byte. */
  public FrameHeader wrap(DirectBuffer buffer, int offset) {
    frame.wrap(buffer, offset, BYTES);
    return this;
  }

  /**
   * Writes all fields but the checksum.
   *
   * @param kind of transfer, or {@link #KIND_STATUS}
   * @param transfer the how-manieth collective of the generation, from 1
   * @param index of the frame in the transfer, from 0, in the order of sending
   * @param node slot or subtree, or 0
   * @param offset of the payload in its block, in bytes
   * @param length of the payload, in bytes
   */
  public static void write(
      MutableDirectBuffer buffer,
      int at,
      Origin origin,
      int kind,
      long step,
      int transfer,
      int index,
      int node,
      long offset,
      int length) {
    buffer.putShort(at + LAYOUT_AT, (short) LAYOUT, ORDER);
    buffer.putShort(at + KIND_AT, (short) kind, ORDER);
    buffer.putLong(at + TERM_AT, origin.term(), ORDER);
    buffer.putLong(at + GENERATION_AT, origin.generation(), ORDER);
    buffer.putLong(at + STEP_AT, step, ORDER);
    buffer.putInt(at + TRANSFER_AT, transfer, ORDER);
    buffer.putInt(at + INDEX_AT, index, ORDER);
    buffer.putInt(at + NODE_AT, node, ORDER);
    buffer.putInt(at + SENDER_AT, origin.sender(), ORDER);
    buffer.putLong(at + OFFSET_AT, offset, ORDER);
    buffer.putInt(at + LENGTH_AT, length, ORDER);
    buffer.setMemory(at + SEAL_AT, SEAL_BYTES, (byte) 0);
  }

  /**
   * Writes where the sender stands as a receiver, and the frame's number.
   *
   * @param wantedTransfer the transfer from which it lacks a frame
   * @param wantedIndex the first frame of it that it lacks
   * @param damaged how many frames of its peer's failed their check so far
   * @param counter of frames that the sender has sent to this peer
   */
  public static void writeStanding(
      MutableDirectBuffer buffer,
      int at,
      int wantedTransfer,
      int wantedIndex,
      int damaged,
      long counter) {
    buffer.putInt(at + WANTED_TRANSFER_AT, wantedTransfer, ORDER);
    buffer.putInt(at + WANTED_INDEX_AT, wantedIndex, ORDER);
    buffer.putInt(at + DAMAGED_AT, damaged, ORDER);
    buffer.putLong(at + COUNTER_AT, counter, ORDER);
  }

  /** Writes the checksum, after everything else. */
  public static void writeChecksum(MutableDirectBuffer buffer, int at, int checksum) {
    buffer.putInt(at, checksum, ORDER);
  }

  /**
   * Who sends: the same in all frames of one member of a generation.
   *
   * @param sender its number among the members
   */
  public record Origin(long term, long generation, int sender) {}

  public int checksum() {
    return frame.getInt(0, ORDER);
  }

  public int layout() {
    return frame.getShort(LAYOUT_AT, ORDER) & 0xffff;
  }

  public int kind() {
    return frame.getShort(KIND_AT, ORDER) & 0xffff;
  }

  public long term() {
    return frame.getLong(TERM_AT, ORDER);
  }

  public long generation() {
    return frame.getLong(GENERATION_AT, ORDER);
  }

  public long step() {
    return frame.getLong(STEP_AT, ORDER);
  }

  public int transfer() {
    return frame.getInt(TRANSFER_AT, ORDER);
  }

  public int index() {
    return frame.getInt(INDEX_AT, ORDER);
  }

  public int node() {
    return frame.getInt(NODE_AT, ORDER);
  }

  public int sender() {
    return frame.getInt(SENDER_AT, ORDER);
  }

  /** In bytes, in the block. */
  public long offset() {
    return frame.getLong(OFFSET_AT, ORDER);
  }

  /** Of the payload, in bytes. */
  public int length() {
    return frame.getInt(LENGTH_AT, ORDER);
  }

  public int wantedTransfer() {
    return frame.getInt(WANTED_TRANSFER_AT, ORDER);
  }

  public int wantedIndex() {
    return frame.getInt(WANTED_INDEX_AT, ORDER);
  }

  public int damaged() {
    return frame.getInt(DAMAGED_AT, ORDER);
  }

  public long counter() {
    return frame.getLong(COUNTER_AT, ORDER);
  }

  @Override
  public String toString() {
    return "frame[kind=%d, step=%d, transfer=%d, index=%d, node=%d, offset=%d, length=%d]"
        .formatted(kind(), step(), transfer(), index(), node(), offset(), length());
  }
}
