package org.dunlin.coordinator.ledger;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.dunlin.coordinator.actor.Run;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.ledger.LedgerRecord;
import org.dunlin.protocol.wire.LedgerCodec;

/**
 * Writes {@code ledger-TERM.bin} in the run folder, one file a term. It is made here and never
 * opened again, so a coordinator whose term is over cannot append to its successor's.
 *
 * <p>Records are written in the order of the calls by a thread of its own; only commits wait for
 * the disk, once each. After a write has failed nothing more is written, and every commit fails
 * with the same sentence. Methods may be called by one thread at a time and do not block, but for
 * {@link #close}, which waits for what was asked for.
 */
public final class LedgerFile implements Run.Ledger, AutoCloseable {
  /** Names of these files; the group is the term. */
  public static final Pattern NAME =
      Pattern.compile("ledger-(?!0+\\.)([0-9]{6}|[1-9][0-9]{6,17})\\.bin");

  // A step has two records, so the disk may lag hundreds of steps behind before a run fails.
  private static final int MOST_WAITING = 1024;

  // Of a disk that hangs; what is not written by then fails.
  private static final int CLOSE_SECONDS = 60;

  private final Path path;
  private final FileChannel file;
  private final Chain chain = new Chain();
  private final ThreadPoolExecutor writer =
      new ThreadPoolExecutor(
          1,
          1,
          0,
          TimeUnit.SECONDS,
          new ArrayBlockingQueue<>(MOST_WAITING),
          Thread.ofPlatform().daemon().name("ledger").factory());
  private final Checksums known;
  private volatile Refusal broken;

  private LedgerFile(Path path, FileChannel file, Checksums known) {
    this.known = known;
    this.path = path;
    this.file = file;
  }

  /**
   * Makes the term's file and makes its header durable.
   *
   * @throws Refusal if there is one already, or the disk does not take it
   */
  public static LedgerFile create(Path runFolder, LedgerRecord.Header header) {
    return create(runFolder, header, new Checksums());
  }

  /**
   * The same after other terms.
   *
   * @param known what they have committed: a step that is committed again must be the same
   */
  public static LedgerFile create(Path runFolder, LedgerRecord.Header header, Checksums known) {
    Path path = runFolder.resolve(name(header.term()));
    LedgerFile ledger;
    try {
      ledger =
          new LedgerFile(
              path,
              FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
              known);
    } catch (FileAlreadyExistsException e) {
      throw Refusal.run(
          "%s: is there already (expected: a file for each term); another coordinator of term %s runs or has run here"
              .formatted(path, header.term()),
          e);
    } catch (IOException e) {
      throw refusal(path, e);
    }
    try {
      ledger.append(header, true);
      forceFolder(runFolder);
      return ledger;
    } catch (IOException e) {
      ledger.close();
      throw refusal(path, e);
    }
  }

  static String name(Term term) {
    return "ledger-%06d.bin".formatted(term.number());
  }

  @Override
  public void intend(long step, int epoch, Generation generation, long[] sampleIds) {
    write(new LedgerRecord.Intent(step, epoch, generation, sampleIds), new CompletableFuture<>());
  }

  @Override
  public CompletionStage<Void> commit(long step, Generation generation, long checksum) {
    CompletableFuture<Void> durable = new CompletableFuture<>();
    long before = known.put(step, checksum);
    if (before != checksum) {
      broken =
          Refusal.run(
              "step %d: computed again it gives another gradient than before (checksums %016x and %016x); one of these machines computes wrongly"
                  .formatted(step, checksum, before));
      durable.completeExceptionally(broken);
      return durable;
    }
    write(new LedgerRecord.Commit(step, generation, checksum), durable);
    return durable;
  }

  @Override
  public void rewind(long steps, long history) {
    write(new LedgerRecord.Rewind(steps, history), new CompletableFuture<>());
  }

  @Override
  public void renounce(long fromStep, Generation generation) {
    known.forget(fromStep);
    write(new LedgerRecord.Renounce(fromStep, generation), new CompletableFuture<>());
  }

  private void write(LedgerRecord entry, CompletableFuture<Void> done) {
    try {
      writer.execute(
          () -> {
            if (broken == null) {
              tryAppend(entry);
            }
            complete(done);
          });
    } catch (RejectedExecutionException e) {
      broken =
          Refusal.run(
              writer.isShutdown()
                  ? path + ": is closed"
                  : "%s: %d records wait for the disk (expected: fewer); use a faster one"
                      .formatted(path, MOST_WAITING),
              e);
      complete(done);
    }
  }

  private void complete(CompletableFuture<Void> done) {
    Refusal why = broken;
    if (why == null) {
      done.complete(null);
    } else {
      done.completeExceptionally(why);
    }
  }

  private void tryAppend(LedgerRecord entry) {
    try {
      append(entry, entry instanceof LedgerRecord.Commit);
    } catch (IOException e) {
      broken = refusal(path, e);
    } catch (RuntimeException e) {
      broken = Refusal.run(path + ": " + e.getMessage(), e);
    }
  }

  private void append(LedgerRecord entry, boolean durably) throws IOException {
    ByteBuffer frame = chain.frame(LedgerCodec.write(entry));
    while (frame.hasRemaining()) {
      file.write(frame);
    }
    if (durably) {
      file.force(false);
    }
  }

  // Else a file may be durable and its name not.
  private static void forceFolder(Path folder) throws IOException {
    try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }

  private static Refusal refusal(Path path, IOException e) {
    return Refusal.run(path + ": cannot be written: " + e.getMessage(), e);
  }

  /** Writes what was asked for and closes the file. */
  @Override
  public void close() {
    writer.shutdown();
    try {
      if (!writer.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
        broken = Refusal.run(path + ": the disk does not answer for " + CLOSE_SECONDS + " s");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    try {
      file.close();
    } catch (IOException e) {
      throw refusal(path, e);
    }
  }
}
