package org.dunlin.worker.collective;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
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
 *
 * <pre>
 *   Mesh.Listener listener = Mesh.listen("10.0.0.7");    // once; tell the others its endpoint
 *   Exchange exchange = listener.connect(roster, generation, own);    // once a generation
 * </pre>
 */
public final class Mesh {
  /** Members are told of a generation at almost the same time; what takes longer will not come. */
  private static final Duration CONNECT_LIMIT = Duration.ofSeconds(10);

  /** Who dials speaks at once: a stranger that says nothing must not use up the others' time. */
  private static final int HELLO_MS = 2_000;

  /** How long to leave a peer alone that is still in an older generation. */
  private static final long RETRY_MS = 20;

  /** Peers that dial before this member looks; more than a run has members. */
  private static final int BACKLOG = 1024;

  private Mesh() {}

  /** Listens on a free port. */
  public static Listener listen(String host) {
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

  /** Where peers dial. {@link #close} may be called by any thread, the rest by one at a time. */
  public static final class Listener implements AutoCloseable {
    private final ServerSocketChannel server;
    private final Endpoint endpoint;
    private final Set<SocketChannel> opening = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;
    private volatile long newest;

    private Listener(ServerSocketChannel server, Endpoint endpoint) {
      this.server = server;
      this.endpoint = endpoint;
    }

    public Endpoint endpoint() {
      return endpoint;
    }

    /** Breaks off a {@link #connect} of an older generation. By any thread. */
    public void breakOff(Generation next) {
      newest = next.number();
      opening.forEach(Listener::drop);
    }

    /**
     * Waits until all members of a generation are connected.
     *
     * @param roster all of them, at least two
     * @param own this member's place in it
     * @return to be closed by the caller, also after it failed
     */
    public Exchange connect(List<Seat> roster, Generation generation, int own) {
      return connect(roster, generation, own, CONNECT_LIMIT);
    }

    Exchange connect(List<Seat> roster, Generation generation, int own, Duration limit) {
      long deadlineNs = System.nanoTime() + limit.toNanos();
      Hello hello = new Hello(generation.number(), roster.get(own).worker(), own);
      Map<Integer, SocketChannel> peers = new TreeMap<>();
      try {
        for (int member = 0; member < own; member++) {
          peers.put(member, dial(roster.get(member), member, hello, deadlineNs));
        }
        while (peers.size() < roster.size() - 1) {
          accept(roster, hello, peers, deadlineNs);
        }
        Exchange exchange = Together.over(roster, generation, own, peers);
        opening.clear();
        return exchange;
      } catch (IOException e) {
        throw new Parting("the members of a generation cannot meet: " + e.getMessage(), e);
      } finally {
        opening.forEach(Listener::drop);
        opening.clear();
      }
    }

    // Returns when the peer has answered for the same generation.
    private SocketChannel dial(Seat seat, int member, Hello hello, long deadlineNs)
        throws IOException {
      Hello expected = new Hello(hello.generation(), seat.worker(), member);
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
        if (answer.equals(expected)) {
          return channel;
        }
        drop(channel);
        opening.remove(channel);
        if (!answer.worker().equals(seat.worker())
            || answer.generation() >= hello.generation()
            || leftMs(deadlineNs) <= RETRY_MS) {
          throw new IOException("found %s (expected: %s)".formatted(answer, expected));
        }
        pause();
      }
    }

    // Takes at most one peer; what does not belong to this generation is told so and dropped.
    private void accept(
        List<Seat> roster, Hello hello, Map<Integer, SocketChannel> peers, long deadlineNs)
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
        if (caller.generation() == hello.generation()
            && caller.member() > hello.member()
            && caller.member() < roster.size()
            && caller.worker().equals(roster.get(caller.member()).worker())) {
          SocketChannel earlier = peers.put(caller.member(), channel);
          if (earlier != null) {
            drop(earlier);
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

    private static int leftMs(long deadlineNs) {
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

    private static void drop(SocketChannel channel) {
      try {
        channel.close();
      } catch (IOException e) {
        // It is gone either way.
      }
    }

    /** Ends a {@link #connect} that waits; exchanges stay. */
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
