package org.dunlin.worker.collective;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.ByteOrder;
import org.dunlin.protocol.WorkerId;

/**
 * Who speaks on a new connection, and for which generation. The one who dials says it first.
 *
 * @param member its number among the generation's members
 * @param driverId of the media driver that it uses: equal ones share memory
 * @param frameBytes the most that it can send between hosts in one frame, without the header
 */
record Hello(long generation, WorkerId worker, int member, long driverId, int frameBytes) {
  // "DUNLIN" and a version. Words travel in the machine's own byte order, so the orders' magics
  // differ.
  private static final long MAGIC =
      0x44554e4c494e_0002L + (ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN ? 0x100 : 0);

  /** Whether this comes from whom is expected. */
  boolean isFrom(long expectedGeneration, WorkerId expectedWorker, int expectedMember) {
    return generation == expectedGeneration
        && member == expectedMember
        && worker.equals(expectedWorker);
  }

  void write(Socket socket) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(bytes);
    out.writeLong(MAGIC);
    out.writeLong(generation);
    out.writeInt(member);
    out.writeLong(driverId);
    out.writeInt(frameBytes);
    out.writeLong(worker.incarnation());
    out.writeUTF(worker.name());
    socket.getOutputStream().write(bytes.toByteArray());
  }

  /** Reads what the other end says within the socket's timeout for each read. */
  static Hello read(Socket socket) throws IOException {
    DataInputStream in = new DataInputStream(socket.getInputStream());
    long magic = in.readLong();
    if (magic != MAGIC) {
      throw new IOException("magic: %x (expected: %x)".formatted(magic, MAGIC));
    }
    long generation = in.readLong();
    int member = in.readInt();
    long driverId = in.readLong();
    int frameBytes = in.readInt();
    long incarnation = in.readLong();
    try {
      WorkerId worker = new WorkerId(in.readUTF(), incarnation);
      return new Hello(generation, worker, member, driverId, frameBytes);
    } catch (IllegalArgumentException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  @Override
  public String toString() {
    return text(generation, worker, member);
  }

  static String text(long generation, WorkerId worker, int member) {
    return "worker %s, member %d of generation %d".formatted(worker, member, generation);
  }
}
