package org.dunlin.worker.collective;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.function.Consumer;
import org.dunlin.protocol.WorkerId;

/**
 * The connection to one peer: what is still to be sent, and what is expected, in order. Never
 * blocks; one thread moves it.
 *
 * <p>Words pass through a frame's buffer of direct memory in each direction: float buffers cannot
 * be given to a socket, and a copy within the cache costs little beside the kernel's.
 */
final class Link {
  /**
   * A frame and its words.
   *
   * @param words fills a buffer of exactly the frame's length, or takes what is in it
   */
  record Piece(Frame frame, Consumer<ByteBuffer> words) {}

  private final int member;
  private final WorkerId peer;
  private final SocketChannel channel;
  private final SelectionKey key;
  private final Queue<Piece> outgoing = new ArrayDeque<>();
  private final Queue<Piece> incoming = new ArrayDeque<>();
  private final ByteBuffer out = buffer().limit(0);
  private final ByteBuffer in = buffer();
  private boolean framed; // the head of the frame under way is here and as expected
  private int length; // of that frame, in words

  /**
   * @param member the peer's number
   * @param channel connected; this link's owner closes it
   */
  Link(int member, WorkerId peer, SocketChannel channel, Selector selector) throws IOException {
    this.member = member;
    this.peer = peer;
    this.channel = channel;
    channel.configureBlocking(false);
    this.key = channel.register(selector, 0, this);
  }

  private static ByteBuffer buffer() {
    return ByteBuffer.allocateDirect(Frame.BYTES + Frame.MOST_WORDS * Integer.BYTES)
        .order(ByteOrder.nativeOrder());
  }

  int member() {
    return member;
  }

  WorkerId peer() {
    return peer;
  }

  SocketChannel channel() {
    return channel;
  }

  void send(Piece piece) {
    outgoing.add(piece);
  }

  void expect(Piece piece) {
    incoming.add(piece);
  }

  boolean isSending() {
    return out.hasRemaining() || !outgoing.isEmpty();
  }

  boolean isReceiving() {
    return !incoming.isEmpty();
  }

  /**
   * Asks the selector for what this link waits for. The next frame's head is read even before it is
   * expected: a peer that dies meanwhile is seen at once.
   */
  void awaitTurn() {
    boolean reads = isReceiving() || in.position() < Frame.BYTES;
    key.interestOps((isSending() ? SelectionKey.OP_WRITE : 0) | (reads ? SelectionKey.OP_READ : 0));
  }

  /** Sends and receives what the socket takes and has. */
  void move() throws IOException {
    int ready = key.readyOps();
    if ((ready & SelectionKey.OP_WRITE) != 0) {
      write();
    }
    if ((ready & SelectionKey.OP_READ) != 0) {
      read();
    }
  }

  private void write() throws IOException {
    if (!out.hasRemaining()) {
      Piece piece = outgoing.remove();
      out.clear();
      piece.frame().write(out);
      piece.words().accept(words(out, piece.frame().length()));
      out.position(0).limit(bytes(piece.frame().length()));
    }
    channel.write(out);
  }

  private void read() throws IOException {
    if (!framed) {
      in.limit(bytes(isReceiving() ? Math.max(0, incoming.element().frame().length()) : 0));
    }
    if (channel.read(in) < 0) {
      throw new EOFException("end of stream");
    }
    take();
  }

  /** Hands over the frame under way if it is expected and whole. */
  void take() {
    if (!isReceiving() || in.position() < Frame.BYTES) {
      return;
    }
    Piece piece = incoming.element();
    if (!framed) {
      Frame arrived = Frame.read(in);
      piece.frame().check(arrived);
      length = arrived.length();
      in.limit(bytes(length));
      framed = true;
    }
    if (!in.hasRemaining()) {
      incoming.remove();
      piece.words().accept(words(in, length));
      in.clear();
      framed = false;
    }
  }

  private static int bytes(int words) {
    return Frame.BYTES + words * Integer.BYTES;
  }

  private static ByteBuffer words(ByteBuffer frame, int words) {
    return frame.slice(Frame.BYTES, words * Integer.BYTES).order(ByteOrder.nativeOrder());
  }
}
