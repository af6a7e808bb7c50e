package org.dunlin.worker.collective;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.UnresolvedAddressException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.Seat;

/**
 * Connects each member of a generation with each other one over TCP: the higher-numbered one dials.
 * Over these connections members say who they are and where their streams are taken, and the end of
 * one means at once that a peer is dead.
 */
final class Mesh {
  /** Who dials speaks at once: a stranger that says nothing must not use up the others' time. */
  private static final int HELLO_MS = 2_000;

  /** How long to leave a peer alone that is still in an older generation. */
  private static final long RETRY_MS = 20;

  /** Peers that dial before this member looks; more than a run has members. */
  private static final int BACKLOG = 1024;

  private Mesh() {}

  /** Listens on a free port. */
  static Listener listen(String host) {
    try {
      ServerSocketChannel server = ServerSocketChannel.open();
      try {
        server.bind(new InetSocketAddress(host, 0), BACKLOG);
        int port = ((InetSocketAddress) server.getLocalAddress()).getPort();
        return new Listener(server, new Endpoint(host, port));
      } catch (IOException | UnresolvedAddressException e) {
        server.close();
        throw e;
      }
    } catch (IOException | UnresolvedAddressException e) {
      throw Refusal.usage(
          "cannot listen on host '%s' (expected: a name or address of this machine): %s"
              .formatted(host, e));
    }
  }

  /** Who is at the other end of a connection, and what it said of itself. */
  record Peer(Hello hello, SocketChannel channel) {}

  /** Where peers dial. {@link #close} may be called by any thread, the rest by one at a time. */
  static final class Listener implements AutoCloseable {
    private final ServerSocketChannel server;
    private final Endpoint endpoint;
    private final Set<SocketChannel> opening = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;
    private volatile long newest;

    private Listener(ServerSocketChannel server, Endpoint endpoint) {
      this.server = server;
      this.endpoint = endpoint;
    }

    Endpoint endpoint() {
      return endpoint;
    }

    /** Breaks off a {@link #meet} of an older generation. By any thread. */
    void breakOff(Generation next) {
      newest = next.number();
      opening.forEach(Listener::drop);
    }

    /**
     * Waits until all members of a generation are connected.
     *
     * @param roster all of them, at least two
     * @param hello what this member says of itself
     * @return the others by their number, to be closed by the caller
     */
    Map<Integer, Peer> meet(List<Seat> roster, Hello hello, long deadlineNs) {
      Map<Integer, Peer> peers = new TreeMap<>();
      boolean met = false;
      try {
        for (int member = 0; member < hello.member(); member++) {
          peers.put(member, dial(roster.get(member), member, hello, deadlineNs));
        }
        while (peers.size() < roster.size() - 1) {
          accept(roster, hello, peers, deadlineNs);
        }
        met = true;
        return peers;
      } catch (IOException e) {
        throw closed
            ? new Parting("the listener was closed", e)
            : new Parting("the members of a generation cannot meet: " + e.getMessage(), e);
      } finally {
        if (!met) {
          opening.forEach(Listener::drop);
        }
        opening.clear();
      }
    }

    // Returns when the peer has answered for the same generation.
    private Peer dial(Seat seat, int member, Hello hello, long deadlineNs) throws IOException {
      while (true) {
        requireNewest(hello);
        SocketChannel channel = open(SocketChannel.open());
        Hello answer;
        try {
          channel
              .socket()
              .connect(
                  new InetSocketAddress(seat.data().host(), seat.data().port()),
                  leftMs(deadlineNs));
          hello.write(channel.socket());
          channel.socket().setSoTimeout(leftMs(deadlineNs));
          answer = Hello.read(channel.socket());
        } catch (IOException | UnresolvedAddressException e) {
          throw new IOException(
              "worker %s at %s:%d did not answer to generation %d: %s"
                  .formatted(
                      seat.worker(),
                      seat.data().host(),
                      seat.data().port(),
                      hello.generation(),
                      e.getMessage()),
              e);
        }
        if (answer.isFrom(hello.generation(), seat.worker(), member)) {
          return new Peer(answer, channel);
        }
        drop(channel);
        opening.remove(channel);
        if (!answer.worker().equals(seat.worker())
            || answer.generation() >= hello.generation()
            || leftMs(deadlineNs) <= RETRY_MS) {
          throw new IOException(
              "found %s (expected: %s)"
                  .formatted(answer, Hello.text(hello.generation(), seat.worker(), member)));
        }
        pause();
      }
    }

    // Takes at most one peer; what does not belong to this generation is told so and dropped.
    private void accept(List<Seat> roster, Hello hello, Map<Integer, Peer> peers, long deadlineNs)
        throws IOException {
      SocketChannel channel;
      try {
        channel = open(accept(hello, deadlineNs));
      } catch (SocketTimeoutException e) {
        int missing = hello.member() + 1;
        while (peers.containsKey(missing)) {
          missing++;
        }
        throw new IOException(
            "worker %s, member %d of generation %d, did not dial in time"
                .formatted(roster.get(missing).worker(), missing, hello.generation()),
            e);
      }
      try {
        channel.socket().setSoTimeout(Math.min(HELLO_MS, leftMs(deadlineNs)));
        Hello caller = Hello.read(channel.socket());
        hello.write(channel.socket());
        if (caller.member() > hello.member()
            && caller.member() < roster.size()
            && caller.isFrom(
                hello.generation(), roster.get(caller.member()).worker(), caller.member())) {
          Peer earlier = peers.put(caller.member(), new Peer(caller, channel));
          if (earlier != null) {
            drop(earlier.channel());
          }
          return;
        }
      } catch (IOException e) {
        // Whoever that was has gone or is no member; the members still have the time that is left.
      }
      drop(channel);
      opening.remove(channel);
    }

    // Waits in short turns, because a closed listener is the only other way to wake it.
    private SocketChannel accept(Hello hello, long deadlineNs) throws IOException {
      while (true) {
        requireNewest(hello);
        server.socket().setSoTimeout((int) Math.min(RETRY_MS, leftMs(deadlineNs)));
        try {
          return server.socket().accept().getChannel();
        } catch (SocketTimeoutException e) {
          if (leftMs(deadlineNs) <= 1) {
            throw e;
          }
        }
      }
    }

    private void requireNewest(Hello hello) throws IOException {
      if (newest > hello.generation()) {
        throw new IOException("generation " + newest + " has begun");
      }
    }

    private SocketChannel open(SocketChannel channel) throws IOException {
      opening.add(channel);
      if (closed) {
        drop(channel);
      }
      channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
      return channel;
    }

    static int leftMs(long deadlineNs) {
      return (int) Math.max(1, (deadlineNs - System.nanoTime()) / 1_000_000);
    }

    private static void pause() throws IOException {
      try {
        Thread.sleep(RETRY_MS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted while waiting for a peer", e);
      }
    }

    static void drop(SocketChannel channel) {
      try {
        channel.close();
      } catch (IOException e) {
        // It is gone either way.
      }
    }

    /** Ends a {@link #meet} that waits; connections stay. */
    @Override
    public void close() {
      closed = true;
      try {
        server.close();
      } catch (IOException e) {
        // It is gone either way.
      }
      opening.forEach(Listener::drop);
    }
  }
}
