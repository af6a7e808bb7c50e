package org.dunlin.worker.collective;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * The peers' connections: carries questions for frames that were damaged, and notices the end of
 * peers, within milliseconds, on a thread of its own. A member that ends in order says before how
 * many transfers it has completed; one that dies says nothing.
 *
 * <p>All that is written are words of three numbers: a {@link Question}, or 0 and the completed
 * transfers and 0.
 */
final class Watch {
  /**
   * A peer has ended.
   *
   * @param completed how many transfers it had completed; 0 if it did not say
   * @param reason why that is known
   */
  record End(int completed, String reason) {}

  /**
   * What a peer lacked when it found a frame damaged.
   *
   * @param transfer the number of a transfer, from 1
   * @param index of the frame that it lacks first
   * @param damaged how many it has found so far
   */
  record Question(int transfer, int index, int damaged) {}

  private static final int WORD_BYTES = 3 * Integer.BYTES;

  // How late a question between collectives may be answered.
  private static final long TEND_MS = 20;

  private static final class Connection {
    final int member;
    final SocketChannel channel;
    final ByteBuffer arriving = ByteBuffer.allocate(WORD_BYTES);
    final ByteBuffer leaving = ByteBuffer.allocate(WORD_BYTES).limit(0);
    volatile Question question;

    Connection(int member, SocketChannel channel) {
      this.member = member;
      this.channel = channel;
    }

    // Whether all of it is on its way; else what is left goes before the next word.
    boolean write(int first, int second, int third) throws IOException {
      if (!isWritten()) {
        return false;
      }
      leaving.clear().putInt(first).putInt(second).putInt(third).flip();
      return isWritten();
    }

    private boolean isWritten() throws IOException {
      if (leaving.hasRemaining()) {
        channel.write(leaving);
      }
      return !leaving.hasRemaining();
    }
  }

  private final Map<Integer, Connection> connections;
  private final Selector selector;
  private final AtomicReferenceArray<End> ends;
  private final Thread thread;
  private volatile boolean ended;
  private volatile boolean closed;
  private volatile Runnable tend;

  /**
   * Takes over the peers' connections.
   *
   * @param channels by the peers' numbers
   * @param members of the generation
   */
  Watch(String name, Map<Integer, SocketChannel> channels, int members) throws IOException {
    Map<Integer, Connection> opened = new TreeMap<>();
    channels.forEach((member, channel) -> opened.put(member, new Connection(member, channel)));
    this.connections = Map.copyOf(opened);
    this.ends = new AtomicReferenceArray<>(members);
    this.selector = Selector.open();
    try {
      for (Connection one : connections.values()) {
        one.channel.configureBlocking(false);
        one.channel.register(selector, SelectionKey.OP_READ, one);
      }
    } catch (IOException e) {
      selector.close();
      throw e;
    }
    this.thread = new Thread(this::watch, name);
    thread.setDaemon(true);
  }

  /**
   * Begins.
   *
   * @param work is done now and then on the watch's thread
   */
  void start(Runnable work) {
    tend = work;
    thread.start();
  }

  /** Looks once, before {@link #start}, on the caller's thread. */
  void look() throws IOException {
    selector.selectNow(this::read);
  }

  /** Gives up before {@link #start}; the connections stay as they are. */
  void abandon() throws IOException {
    selector.close();
  }

  private void watch() {
    try {
      while (!closed) {
        selector.select(this::read, TEND_MS);
        tend.run();
      }
    } catch (ClosedSelectorException e) {
      // It was closed meanwhile.
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void read(SelectionKey key) {
    Connection connection = (Connection) key.attachment();
    ByteBuffer word = connection.arriving;
    try {
      if (connection.channel.read(word) < 0) {
        end(key, connection, new End(0, "end of stream"));
      } else if (!word.hasRemaining()) {
        word.flip();
        int first = word.getInt();
        if (first == 0) {
          end(key, connection, new End(word.getInt(), "it was closed"));
        } else {
          connection.question = new Question(first, word.getInt(), word.getInt());
        }
        word.clear();
      }
    } catch (IOException e) {
      end(key, connection, new End(0, String.valueOf(e.getMessage())));
    }
  }

  private void end(SelectionKey key, Connection connection, End end) {
    key.cancel();
    ends.compareAndSet(connection.member, null, end);
    ended = true;
  }

  /** Whether any peer has ended. */
  boolean hasEnded() {
    return ended;
  }

  /** How that peer ended, or null while it lives. */
  End end(int member) {
    return ends.get(member);
  }

  /** The last question of that peer, or null. */
  Question question(int member) {
    return connections.get(member).question;
  }

  /**
   * Asks a peer for what is lacking here. One thread at a time, also with {@link #close}.
   *
   * @return whether it is on its way; else it is to be asked again
   */
  boolean ask(int member, int transfer, int index, int damaged) {
    try {
      return connections.get(member).write(transfer, index, damaged);
    } catch (IOException e) {
      return false; // Its end is noticed where it is read.
    }
  }

  /** Says how many transfers were completed here, and ends all connections. */
  void close(int completed) {
    closed = true;
    for (Connection connection : connections.values()) {
      try (connection.channel) {
        connection.write(0, completed, 0);
      } catch (ClosedChannelException e) {
        // Nobody is there any more.
      } catch (IOException e) {
        // The peer has gone before.
      }
    }
    try {
      selector.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
