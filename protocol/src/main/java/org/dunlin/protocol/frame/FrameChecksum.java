package org.dunlin.protocol.frame;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/**
 * CRC32C of frames: all of the header but the checksum itself, and the payload. One thread at a
 * time.
 */
public final class FrameChecksum {
  private final CRC32C crc = new CRC32C();

  /**
   * The checksum that belongs into a frame.
   *
   * @param memory holds the frame; its position and limit are moved
   * @param at the frame's first byte
   * @param payload bytes
   */
  public int of(ByteBuffer memory, int at, int payload) {
    memory.limit(at + FrameHeader.BYTES + payload).position(at + FrameHeader.CHECKED_FROM);
    crc.reset();
    crc.update(memory);
    return (int) crc.getValue();
  }

  /**
   * Whether a frame is as it was sent. Then its layout is known too, and its length is true.
   *
   * @param header of the frame
   * @param memory holds the frame; its position and limit are moved
   * @param at the frame's first byte
   * @param bytes of header and payload that arrived
   */
  public boolean isIntact(FrameHeader header, ByteBuffer memory, int at, int bytes) {
    return bytes >= FrameHeader.BYTES
        && header.layout() == FrameHeader.LAYOUT
        && header.length() == bytes - FrameHeader.BYTES
        && header.checksum() == of(memory, at, bytes - FrameHeader.BYTES);
  }
}
