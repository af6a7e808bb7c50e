package org.dunlin.worker.collective;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.Socket;
import java.security.SecureRandom;

/**
 * Where a member takes one peer's stream of one generation: nobody else's gets in. Drawn by chance,
 * because a driver's streams may be of many runs.
 *
 * @param port UDP, or 0 where both use one driver
 * @param stream Aeron's number of the stream
 * @param session Aeron's number of the sender; the driver drops frames of any other
 */
record Door(int port, int stream, int session) {
  private static final SecureRandom RANDOM = new SecureRandom();

  static Door drawn() {
    return new Door(0, RANDOM.nextInt(1, Integer.MAX_VALUE), RANDOM.nextInt());
  }

  Door at(int ownPort) {
    return new Door(ownPort, stream, session);
  }

  void write(Socket socket) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(bytes);
    out.writeInt(port);
    out.writeInt(stream);
    out.writeInt(session);
    socket.getOutputStream().write(bytes.toByteArray());
  }

  static Door read(Socket socket) throws IOException {
    DataInputStream in = new DataInputStream(socket.getInputStream());
    try {
      return new Door(in.readInt(), in.readInt(), in.readInt());
    } catch (EOFException e) {
      throw new IOException("end of stream", e);
    }
  }
}
