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
 */
record Hello(long generation, WorkerId worker, int member) {
  // "DUNLIN" and a version. Words travel in the machine's own byte order, so the orders' magics
  // differ.
  private static final long MAGIC =
      0x44554e4c494e_0001L + (ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN ? 1 : 0);

  void write(Socket socket) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(bytes);
    out.writeLong(MAGIC);
    out.writeLong(generation);
    out.writeInt(member);
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
    long incarnation = in.readLong();
    try {
      return new Hello(generation, new WorkerId(in.readUTF(), incarnation), member);
    } catch (IllegalArgumentException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  @Override
  public String toString() {
    return "worker %s, member %d of generation %d".formatted(worker, member, generation);
  }
}
