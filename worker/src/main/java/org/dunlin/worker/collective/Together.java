package org.dunlin.worker.collective;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.message.Seat;

/**
 * The collectives of a generation with several members, over one TCP connection a pair.
 *
 * <p>The calling thread itself sends and receives, whichever socket is ready, so all may send large
 * blocks at once; it needs no other thread. It waits as long as the peers live: a peer that hangs
 * is the coordinator's to judge, who has this exchange closed. A connection that ends while this
 * member is in a collective is a death, so members close only when none is in one any more. After a
 * failure only {@link #close} is of use, and the peers may wait until it is called.
 */
final class Together implements Exchange {
  private final Generation generation;
  private final int member;
  private final Selector selector;
  private final List<Link> links = new ArrayList<>();
  private final List<FloatBuffer> received = new ArrayList<>();
  private volatile boolean closed;

  private Together(Generation generation, int member, Selector selector) {
    this.generation = generation;
    this.member = member;
    this.selector = selector;
  }

  /**
   * Takes over connected channels.
   *
   * @param peers all other members' channels by their number
   */
  static Together over(
      List<Seat> roster, Generation generation, int own, Map<Integer, SocketChannel> peers)
      throws IOException {
    Together together = new Together(generation, own, Selector.open());
    try {
      for (Map.Entry<Integer, SocketChannel> peer : peers.entrySet()) {
        int number = peer.getKey();
        together.links.add(
            new Link(number, roster.get(number).worker(), peer.getValue(), together.selector));
      }
      return together;
    } catch (IOException e) {
      together.close();
      throw e;
    }
  }

  @Override
  public int member() {
    return member;
  }

  @Override
  public int members() {
    return links.size() + 1;
  }

  @Override
  public void allGather(long step, Kind kind, FloatBuffer whole, int[] bounds) {
    for (Link link : links) {
      int peer = link.member();
      cut(kind, step, 0, bounds[member], bounds[member + 1], frame -> send(link, frame, whole));
      cut(kind, step, 0, bounds[peer], bounds[peer + 1], frame -> expect(link, frame, whole));
    }
    await(kind, step, true);
  }

  /** Chunk by chunk, so that only a frame of every peer's partials waits to be summed. */
  @Override
  public void reduceScatter(
      long step,
      Kind kind,
      SummationTree tree,
      List<Partial<FloatBuffer>> partials,
      int[] bounds,
      FloatBuffer sum) {
    int[] nodes = partials.stream().mapToInt(Partial::node).toArray();
    Map<Link, int[]> announced = announce(kind, step, nodes);
    for (Link link : links) {
      for (int chunk = bounds[link.member()]; chunk < bounds[link.member() + 1]; ) {
        int end = Math.min(bounds[link.member() + 1], chunk + Frame.MOST_WORDS);
        for (Partial<FloatBuffer> partial : partials) {
          Frame frame = new Frame(kind, step, partial.node(), chunk, end - chunk);
          send(link, frame, partial.block());
        }
        chunk = end;
      }
    }
    for (int chunk = bounds[member]; chunk < bounds[member + 1]; ) {
      int length = Math.min(bounds[member + 1] - chunk, Frame.MOST_WORDS);
      TreeFold<FloatBuffer> fold = Sums.folding(tree);
      for (Partial<FloatBuffer> partial : partials) {
        fold.add(new Partial<>(partial.node(), partial.block().slice(chunk, length)));
      }
      int used = 0;
      for (Link link : links) {
        for (int node : announced.get(link)) {
          FloatBuffer target = received(used++).slice(0, length);
          link.expect(
              new Link.Piece(
                  new Frame(kind, step, node, chunk, length),
                  words -> {
                    target.put(0, words.asFloatBuffer(), 0, length);
                    fold.add(new Partial<>(node, target));
                  }));
        }
      }
      await(kind, step, false);
      sum.put(chunk, fold.whole(), 0, length);
      chunk += length;
    }
    await(kind, step, true);
  }

  /** Everyone gets everyone's partials: a step touches few of the table's rows. */
  @Override
  public RowSet allReduceRows(
      long step, Kind kind, SummationTree tree, List<Partial<RowSet>> partials, int width) {
    int[] sizes =
        partials.stream()
            .flatMapToInt(p -> IntStream.of(p.node(), p.block().rows().length))
            .toArray();
    Map<Link, int[]> announced = announce(kind, step, sizes);
    List<Partial<RowSet>> all = new ArrayList<>(partials);
    for (Link link : links) {
      for (Partial<RowSet> partial : partials) {
        RowSet own = partial.block();
        int count = own.rows().length;
        int node = partial.node();
        cut(kind, step, node, 0, count, frame -> sendInts(link, frame, own.rows()));
        cut(kind, step, node, 0, count * width, frame -> send(link, frame, own.values()));
      }
      int[] theirs = announced.get(link);
      for (int i = 0; i < theirs.length; i += 2) {
        int node = theirs[i];
        int count = theirs[i + 1];
        FloatBuffer values = FloatBuffer.allocate(Math.multiplyExact(count, width));
        RowSet peers = new RowSet(new int[count], width, values);
        cut(kind, step, node, 0, count, frame -> expectInts(link, frame, peers.rows()));
        cut(kind, step, node, 0, count * width, frame -> expect(link, frame, values));
        all.add(new Partial<>(node, peers));
      }
    }
    await(kind, step, true);
    TreeFold<RowSet> fold = RowSet.folding(tree);
    all.forEach(fold::add);
    return fold.whole();
  }

  /** Tells the peers what will be sent, and hears what they will send. */
  private Map<Link, int[]> announce(Kind kind, long step, int[] own) {
    Map<Link, int[]> announced = new HashMap<>();
    for (Link link : links) {
      sendInts(link, new Frame(kind, step, 0, 0, own.length), own);
      link.expect(
          new Link.Piece(
              new Frame(kind, step, 0, 0, Frame.ANY_LENGTH),
              words -> {
                int[] theirs = new int[words.remaining() / Integer.BYTES];
                words.asIntBuffer().get(theirs);
                announced.put(link, theirs);
              }));
    }
    await(kind, step, false);
    return announced;
  }

  private FloatBuffer received(int number) {
    if (number == received.size()) {
      received.add(
          ByteBuffer.allocateDirect(Frame.MOST_WORDS * Float.BYTES)
              .order(ByteOrder.nativeOrder())
              .asFloatBuffer());
    }
    return received.get(number);
  }

  private static void cut(
      Kind kind, long step, int node, int from, int to, Consumer<Frame> action) {
    for (int at = from; at < to; ) {
      int length = Math.min(to - at, Frame.MOST_WORDS);
      action.accept(new Frame(kind, step, node, at, length));
      at += length;
    }
  }

  private static void send(Link link, Frame frame, FloatBuffer source) {
    link.send(
        new Link.Piece(
            frame, words -> words.asFloatBuffer().put(0, source, frame.offset(), frame.length())));
  }

  private static void sendInts(Link link, Frame frame, int[] source) {
    link.send(
        new Link.Piece(
            frame, words -> words.asIntBuffer().put(source, frame.offset(), frame.length())));
  }

  private static void expect(Link link, Frame frame, FloatBuffer target) {
    link.expect(
        new Link.Piece(
            frame, words -> target.put(frame.offset(), words.asFloatBuffer(), 0, frame.length())));
  }

  private static void expectInts(Link link, Frame frame, int[] target) {
    link.expect(
        new Link.Piece(
            frame, words -> words.asIntBuffer().get(target, frame.offset(), frame.length())));
  }

  /** Returns when all that is expected is here and, if asked, all is sent. */
  private void await(Kind kind, long step, boolean sent) {
    try {
      links.forEach(Link::take);
      while (links.stream().anyMatch(link -> link.isReceiving() || (sent && link.isSending()))) {
        links.forEach(Link::awaitTurn);
        selector.select(key -> move((Link) key.attachment(), kind, step));
      }
    } catch (CancelledKeyException | ClosedSelectorException e) {
      throw closed(e);
    } catch (IOException e) {
      throw new Parting("the selector of generation " + generation + " failed: " + e, e);
    }
  }

  private void move(Link link, Kind kind, long step) {
    try {
      link.move();
    } catch (IOException e) {
      if (closed) {
        throw closed(e);
      }
      throw new Parting(
          "worker %s ended its connection in step %d, %s, of generation %s: %s"
              .formatted(link.peer(), step, kind, generation, e.getMessage()),
          e);
    }
  }

  private Parting closed(Exception cause) {
    return new Parting("the exchange of generation " + generation + " was closed", cause);
  }

  @Override
  public boolean isClosed() {
    return closed;
  }

  @Override
  public void close() {
    closed = true;
    try {
      for (Link link : links) {
        link.channel().close();
      }
      // Wakes up who waits, and gives the sockets back.
      selector.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
