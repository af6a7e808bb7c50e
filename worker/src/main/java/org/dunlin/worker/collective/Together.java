package org.dunlin.worker.collective;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntSupplier;
import org.agrona.CloseHelper;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.IdleStrategy;
import org.dunlin.protocol.Generation;

/**
 * The collectives of a generation with several members, over a pair of streams a peer.
 *
 * <p>The calling thread itself sends and receives, whatever stream can go on, so all may send large
 * blocks at once. It waits as long as the peers live: a peer that hangs is the coordinator's to
 * judge, who has this exchange closed. A peer that ends while this member is in a collective is a
 * death, unless it had completed that one. After a failure only {@link #close} is of use, and the
 * peers may wait until it is called.
 *
 * <p>Between collectives the {@link Watch} looks after late questions: the last word of a
 * collective may be damaged too.
 */
final class Together implements Exchange {
  // Spinning burns what the other members of a host need; the longest nap is what a small gather
  // may come too late.
  private static final long SPINS = 20;
  private static final long YIELDS = 100;
  private static final long LEAST_NAP_NS = TimeUnit.MICROSECONDS.toNanos(1);
  private static final long MOST_NAP_NS = TimeUnit.MICROSECONDS.toNanos(100);

  /** A stream may break off a little before the connection tells why. */
  private static final long BROKEN_NS = TimeUnit.SECONDS.toNanos(2);

  private final Generation generation;
  private final int member;
  private final Link[] links;
  private final int frameBytes;
  private final Watch watch;
  private final Runnable whenReleased;
  private final IdleStrategy idle =
      new BackoffIdleStrategy(SPINS, YIELDS, LEAST_NAP_NS, MOST_NAP_NS);
  private final ReentrantLock moving = new ReentrantLock();
  private int begun;
  private int completed;
  private long brokenNs;
  private boolean released;
  private volatile boolean closed;

  /**
   * Takes over connected streams.
   *
   * @param links to all other members
   * @param frameBytes the most payload of a frame, the same for all members
   * @param watch over the peers' connections, not yet started
   * @param whenReleased is called once, when the streams are closed
   */
  Together(
      Generation generation,
      int member,
      List<Link> links,
      int frameBytes,
      Watch watch,
      Runnable whenReleased) {
    this.generation = generation;
    this.member = member;
    this.links = links.toArray(Link[]::new);
    this.frameBytes = frameBytes;
    this.watch = watch;
    this.whenReleased = whenReleased;
    watch.start(this::tend);
  }

  @Override
  public int member() {
    return member;
  }

  @Override
  public int members() {
    return links.length + 1;
  }

  @Override
  public void allGather(long step, Kind kind, FloatBuffer whole, int[] bounds, IntSupplier filled) {
    Words words = new Words.Floats(whole);
    run(new Gather(kind, step, words, bounds, Float.BYTES, member, frameBytes, filled));
  }

  @Override
  public void allGather(long step, Kind kind, ByteBuffer whole, int[] bounds) {
    int own = bounds[member + 1] - bounds[member];
    Words words = new Words.Bytes(whole);
    run(new Gather(kind, step, words, bounds, 1, member, frameBytes, () -> own));
  }

  @Override
  public void reduceScatter(
      long step,
      Kind kind,
      SummationTree tree,
      List<Partial<FloatBuffer>> partials,
      int[] bounds,
      FloatBuffer sum) {
    run(new Scatter(kind, step, tree, partials, bounds, member, sum, frameBytes));
  }

  /** Everyone gets everyone's partials: a step touches few of the table's rows. */
  @Override
  public RowSet allReduceRows(
      long step, Kind kind, SummationTree tree, List<Partial<RowSet>> partials, int width) {
    RowsTransfer rows = new RowsTransfer(kind, step, partials, width, members(), frameBytes);
    run(rows);
    TreeFold<RowSet> fold = RowSet.folding(tree);
    rows.all().forEach(fold::add);
    return fold.whole();
  }

  private void run(Transfer transfer) {
    moving.lock();
    try {
      if (closed) {
        throw closedException();
      }
      if (completed < begun) {
        throw new IllegalStateException(
            "the exchange of generation " + generation + " has failed before");
      }
      begun++;
      for (Link link : links) {
        link.begin(transfer);
      }
      idle.reset();
      while (!isDone()) {
        if (closed) {
          throw closedException();
        }
        // Asked before the streams are: what came before the end is still taken.
        boolean ended = watch.hasEnded();
        if (move() > 0) {
          idle.reset();
          brokenNs = 0;
        } else {
          if (ended) {
            heedEnds(transfer);
          }
          heedBroken(transfer);
          idle.idle();
        }
      }
      completed = begun;
    } finally {
      unlock();
    }
  }

  private boolean isDone() {
    for (Link link : links) {
      if (!link.isDone()) {
        return false;
      }
    }
    return true;
  }

  private int move() {
    int moved = 0;
    for (Link link : links) {
      moved += link.move();
    }
    return moved;
  }

  private void heedEnds(Transfer transfer) {
    for (Link link : links) {
      Watch.End end = watch.end(link.member());
      if (end == null) {
        continue;
      }
      link.peerCompleted(end.completed());
      if (!link.isDone()) {
        throw ended(link, transfer, end.reason());
      }
    }
  }

  private void heedBroken(Transfer transfer) {
    for (Link link : links) {
      if (link.isDone() || !link.isBroken()) {
        continue;
      }
      long now = System.nanoTime();
      brokenNs = brokenNs == 0 ? now : brokenNs;
      if (now - brokenNs > BROKEN_NS) {
        throw ended(link, transfer, "its stream broke off");
      }
      return;
    }
    brokenNs = 0;
  }

  private Parting ended(Link link, Transfer transfer, String reason) {
    return new Parting(
        "worker %s ended its connection in step %d, %s, of generation %s: %s"
            .formatted(link.peer(), transfer.step(), transfer.kind(), generation, reason));
  }

  private Parting closedException() {
    return new Parting("the exchange of generation " + generation + " was closed");
  }

  @Override
  public boolean isClosed() {
    return closed;
  }

  // On the watch's thread, when no collective is under way.
  private void tend() {
    if (!moving.tryLock()) {
      return;
    }
    try {
      if (!closed && completed == begun) {
        for (Link link : links) {
          link.receive();
          link.tell();
        }
      }
    } finally {
      unlock();
    }
  }

  /** Ends a collective that waits. What it uses goes when it has ended. */
  @Override
  public void close() {
    closed = true;
    releaseIfFree();
  }

  private void unlock() {
    moving.unlock();
    if (closed) {
      releaseIfFree();
    }
  }

  // A stream's memory is unmapped when it is closed: not while somebody reads there.
  private void releaseIfFree() {
    if (moving.isHeldByCurrentThread() || !moving.tryLock()) {
      return;
    }
    try {
      if (!released) {
        released = true;
        watch.close(completed);
        CloseHelper.quietCloseAll(links);
        whenReleased.run();
      }
    } finally {
      moving.unlock();
    }
  }
}
