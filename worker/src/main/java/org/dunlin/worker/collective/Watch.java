package org.dunlin.worker.collective;

import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Notices the end of peers by the end of their connections, within milliseconds, on a thread of its
 * own. A member that ends in order says before how many transfers it has completed; one that dies
 * says nothing.
 */
final class Watch {
  /**
   * A peer has ended.
   *
   * @param completed how many transfers it had completed; 0 if it did not say
   * @param reason why that is known
   */
  record End(int completed, String reason) {}

  // How late a question between collectives may be answered.
  private static final long TEND_MS = 20;

  private record Connection(int member, SocketChannel channel, ByteBuffer last) {}

  private final Map<Integer, SocketChannel> channels;
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
    this.channels = Map.copyOf(channels);
    this.ends = new AtomicReferenceArray<>(members);
    this.selector = Selector.open();
    try {
      for (Map.Entry<Integer, SocketChannel> one : channels.entrySet()) {
        one.getValue().configureBlocking(false);
        one.getValue()
            .register(
                selector,
                SelectionKey.OP_READ,
                new Connection(one.getKey(), one.getValue(), ByteBuffer.allocate(Integer.BYTES)));
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
    ByteBuffer last = connection.last();
    try {
      if (connection.channel().read(last) >= 0 && last.hasRemaining()) {
        return;
      }
      boolean told = !last.hasRemaining();
      end(
          key,
          connection.member(),
          told
              ? new End(last.getInt(0), "it was closed")
              : new End(0, new EOFException("end of stream").getMessage()));
    } catch (IOException e) {
      end(key, connection.member(), new End(0, String.valueOf(e.getMessage())));
    }
  }

  private void end(SelectionKey key, int member, End end) {
    key.cancel();
    ends.compareAndSet(member, null, end);
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

  /** Says how many transfers were completed here, and ends all connections. */
  void close(int completed) {
    closed = true;
    for (SocketChannel channel : channels.values()) {
      try (channel) {
        channel.write(ByteBuffer.allocate(Integer.BYTES).putInt(0, completed));
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
