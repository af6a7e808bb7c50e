package org.dunlin.worker.collective;

import io.aeron.Aeron;
import io.aeron.ChannelUri;
import io.aeron.ChannelUriStringBuilder;
import io.aeron.CommonContext;
import io.aeron.ExclusivePublication;
import io.aeron.Subscription;
import io.aeron.exceptions.AeronException;
import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.agrona.CloseHelper;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.frame.FrameHeader;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.Seat;
import org.dunlin.worker.collective.driver.HostDriver;
import org.dunlin.worker.collective.driver.Media;
import org.dunlin.worker.collective.driver.Sizing;

/**
 * Where a member is reached by its peers, and how it meets them in each generation.
 *
 * <pre>
 *   DataPlane plane = DataPlane.listen("10.0.0.7");    // once; tell the others its endpoint
 *   Exchange exchange = plane.connect(roster, term, generation, own);    // once a generation
 * </pre>
 *
 * Members that share a media driver talk through its memory, others by UDP. Each generation has
 * streams of its own, between each two members in each direction. Nothing of Aeron is touched
 * before the first generation of several members.
 *
 * <p>{@link #close} and {@link #breakOff} may be called by any thread, the rest by one at a time.
 */
public final class DataPlane implements AutoCloseable {
  /** Members are told of a generation at almost the same time; what takes longer will not come. */
  private static final Duration CONNECT_LIMIT = Duration.ofSeconds(40);

  /** Frames are cut so that floats of a frame fill whole lines of the cache. */
  private static final int LINE_BYTES = 64;

  private static final int AERON_HEADER_BYTES = 32;
  private static final long LOOK_MS = 1;

  /** How a plane gets at a media driver; {@code members} may be on this host. */
  interface Source {
    Media connect(int members);
  }

  private final Mesh.Listener listener;
  private final Source source;
  private final FrameCounts counts = new FrameCounts();
  private Media media;
  private int open;
  private volatile Map<Integer, Mesh.Peer> meeting = Map.of();
  private volatile long newest;
  private volatile boolean closed;

  private DataPlane(Mesh.Listener listener, Source source) {
    this.listener = listener;
    this.source = source;
  }

  /** Listens on a free port, with the media driver of this host. */
  public static DataPlane listen(String host) {
    String client = "process " + ProcessHandle.current().pid();
    return listen(host, members -> HostDriver.connect(client, members));
  }

  static DataPlane listen(String host, Source source) {
    return new DataPlane(Mesh.listen(host), source);
  }

  public Endpoint endpoint() {
    return listener.endpoint();
  }

  /** What happened to frames so far. */
  public FrameCounts counts() {
    return counts;
  }

  /**
   * Waits until all members of a generation can reach each other.
   *
   * @param roster all of them, at least two
   * @param own this member's place in it
   * @return to be closed by the caller, also after it failed
   * @throws Parting where one of them does not come
   * @throws Refusal where the machine has not what is needed
   */
  public Exchange connect(List<Seat> roster, Term term, Generation generation, int own) {
    return connect(roster, term, generation, own, CONNECT_LIMIT);
  }

  Exchange connect(List<Seat> roster, Term term, Generation generation, int own, Duration limit) {
    long deadlineNs = System.nanoTime() + limit.toNanos();
    Media used = take(roster.size());
    boolean met = false;
    Map<Integer, Mesh.Peer> peers = Map.of();
    try {
      int mtu = used.mtuBytes(endpoint().host());
      Hello hello =
          new Hello(
              generation.number(), roster.get(own).worker(), own, used.driverId(), frameBytes(mtu));
      peers = listener.meet(roster, hello, deadlineNs);
      meeting = peers;
      requireNewest(hello);
      FrameHeader.Origin origin = new FrameHeader.Origin(term.number(), generation.number(), own);
      Exchange exchange =
          new Streams(used, roster, hello, peers, mtu, deadlineNs).open(generation, origin);
      met = true;
      return exchange;
    } catch (IOException | AeronException e) {
      throw closed
          ? new Parting("the listener was closed", e)
          : new Parting("the members of a generation cannot meet: " + e.getMessage(), e);
    } finally {
      meeting = Map.of();
      if (!met) {
        peers.values().forEach(peer -> Mesh.Listener.drop(peer.channel()));
        released();
      }
    }
  }

  /** Breaks off a {@link #connect} of an older generation. By any thread; returns at once. */
  public void breakOff(Generation next) {
    newest = next.number();
    listener.breakOff(next);
    meeting.values().forEach(peer -> Mesh.Listener.drop(peer.channel()));
  }

  private void requireNewest(Hello hello) throws IOException {
    if (newest > hello.generation()) {
      throw new IOException("generation " + newest + " has begun");
    }
  }

  private static int frameBytes(int mtuBytes) {
    return (mtuBytes - AERON_HEADER_BYTES - FrameHeader.BYTES) / LINE_BYTES * LINE_BYTES;
  }

  // A driver that was lost is replaced by the next generation's.
  private synchronized Media take(int members) {
    if (closed) {
      throw new Parting("the listener was closed");
    }
    if (media != null && media.isClosed()) {
      media.close();
      media = null;
    }
    if (media == null) {
      media = source.connect(members);
    }
    open++;
    return media;
  }

  private synchronized void released() {
    open--;
    closeMedia();
  }

  private void closeMedia() {
    if (closed && open == 0 && media != null) {
      media.close();
      media = null;
    }
  }

  /** Ends a {@link #connect} that waits; exchanges stay, and what they need. */
  @Override
  public void close() {
    closed = true;
    listener.close();
    synchronized (this) {
      closeMedia();
    }
  }

  /** The streams of one generation while they are being opened. */
  private final class Streams {
    private final Media used;
    private final Aeron aeron;
    private final List<Seat> roster;
    private final Hello hello;
    private final Map<Integer, Mesh.Peer> peers;
    private final int mtu;
    private final int termBytes;
    private final long deadlineNs;
    private final Map<Integer, Subscription> in = new TreeMap<>();
    private final Map<Integer, ExclusivePublication> out = new TreeMap<>();

    Streams(
        Media used,
        List<Seat> roster,
        Hello hello,
        Map<Integer, Mesh.Peer> peers,
        int mtu,
        long deadlineNs) {
      this.used = used;
      this.aeron = used.aeron();
      this.roster = roster;
      this.hello = hello;
      this.peers = peers;
      this.mtu = mtu;
      this.termBytes = used.termBytes(roster.size());
      this.deadlineNs = deadlineNs;
    }

    private boolean isNear(Mesh.Peer peer) {
      return peer.hello().driverId() == used.driverId();
    }

    // Chunks of sums must be the same for all: what the least of them can send.
    private int frameBytes() {
      return peers.values().stream().allMatch(this::isNear)
          ? DataPlane.frameBytes(Sizing.MOST_MTU_BYTES)
          : peers.values().stream()
              .mapToInt(peer -> peer.hello().frameBytes())
              .reduce(hello.frameBytes(), Math::min);
    }

    Exchange open(Generation generation, FrameHeader.Origin origin) throws IOException {
      boolean opened = false;
      Watch watch = null;
      used.hurry(true);
      try {
        Map<Integer, SocketChannel> channels = new TreeMap<>();
        for (Map.Entry<Integer, Mesh.Peer> peer : peers.entrySet()) {
          subscribe(peer.getKey(), peer.getValue());
          channels.put(peer.getKey(), peer.getValue().channel());
        }
        for (Map.Entry<Integer, Mesh.Peer> peer : peers.entrySet()) {
          publish(peer.getKey(), peer.getValue());
        }
        watch = new Watch("exchange-" + generation, channels, roster.size());
        awaitStreams(watch);
        List<Link> links = new ArrayList<>();
        for (int m : peers.keySet()) {
          links.add(
              new Link(m, roster.get(m).worker(), origin, out.get(m), in.get(m), watch, counts));
        }
        Exchange exchange =
            new Together(
                generation, hello.member(), links, frameBytes(), watch, DataPlane.this::released);
        opened = true;
        return exchange;
      } finally {
        used.hurry(false);
        if (!opened) {
          CloseHelper.quietCloseAll(in.values());
          CloseHelper.quietCloseAll(out.values());
          if (watch != null) {
            watch.abandon();
          }
        }
      }
    }

    private void subscribe(int member, Mesh.Peer peer) throws IOException {
      Door door = Door.drawn();
      ChannelUriStringBuilder channel = new ChannelUriStringBuilder().sessionId(door.session());
      if (isNear(peer)) {
        in.put(
            member,
            aeron.addSubscription(channel.media(CommonContext.IPC_MEDIA).build(), door.stream()));
      } else {
        channel.media(CommonContext.UDP_MEDIA).endpoint(address(endpoint().host(), 0));
        Subscription subscription = aeron.addSubscription(channel.build(), door.stream());
        in.put(member, subscription);
        door = door.at(port(subscription));
      }
      door.write(peer.channel().socket());
    }

    private int port(Subscription subscription) throws IOException {
      while (true) {
        String resolved = subscription.tryResolveChannelEndpointPort();
        if (resolved != null) {
          String endpoint = ChannelUri.parse(resolved).get(CommonContext.ENDPOINT_PARAM_NAME);
          int port = Integer.parseInt(endpoint.substring(endpoint.lastIndexOf(':') + 1));
          if (port > 0) {
            return port;
          }
        }
        pause("no UDP port was given to " + endpoint().host());
      }
    }

    private void publish(int member, Mesh.Peer peer) throws IOException {
      Seat seat = roster.get(member);
      Door door;
      try {
        peer.channel().socket().setSoTimeout(Mesh.Listener.leftMs(deadlineNs));
        door = Door.read(peer.channel().socket());
      } catch (IOException e) {
        throw new IOException(
            "worker %s did not say where its stream is taken: %s"
                .formatted(seat.worker(), e.getMessage()),
            e);
      }
      ChannelUriStringBuilder channel =
          new ChannelUriStringBuilder().sessionId(door.session()).termLength(termBytes);
      if (isNear(peer)) {
        channel.media(CommonContext.IPC_MEDIA).mtu(Sizing.MOST_MTU_BYTES);
      } else {
        channel
            .media(CommonContext.UDP_MEDIA)
            .mtu(mtu)
            .endpoint(address(seat.data().host(), door.port()));
      }
      out.put(member, aeron.addExclusivePublication(channel.build(), door.stream()));
    }

    private static String address(String host, int port) {
      return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
    }

    private void awaitStreams(Watch watch) throws IOException {
      for (int m : peers.keySet()) {
        while (!in.get(m).isConnected() || !out.get(m).isConnected()) {
          watch.look();
          if (watch.end(m) != null) {
            throw new IOException("worker %s has left".formatted(roster.get(m).worker()));
          }
          pause("no stream comes about with worker " + roster.get(m).worker());
        }
      }
    }

    private void pause(String failure) throws IOException {
      requireNewest(hello);
      if (closed || System.nanoTime() > deadlineNs) {
        throw new IOException(failure + " in time");
      }
      try {
        Thread.sleep(LOOK_MS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted while waiting for a stream", e);
      }
    }
  }
}
