package org.dunlin.coordinator.record;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;

/**
 * Who may coordinate a run: the process that holds the lock of its run folder, under a number that
 * was never used before.
 *
 * <pre>{@code
 * try (TermFile.Held held = TermFile.take(runFolder)) {
 *   coordinate(held.term());
 * }
 * }</pre>
 *
 * <p>Not to be mixed up with the lock of {@code RunFolder}, which the process that a person started
 * holds, so that no second run writes there: this one passes from a coordinator to the next while
 * the run goes on. The operating system gives it back when its process dies, however it dies; a
 * process that merely hangs keeps it.
 */
public final class TermFile {
  /** The newest term that was ever taken, in decimal. */
  public static final String NAME = "term";

  /** Stays when its holder is gone: who removes a lock's file may remove the next one's. */
  public static final String LOCK = ".term.lock";

  /** Before it is {@link #NAME}. */
  public static final String NEXT = ".term.next";

  private static final int MOST_DIGITS = 18;

  // A lock belongs to a process, and closing any channel of its file gives it back (POSIX): what
  // this process holds must not be opened once more.
  private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

  private TermFile() {}

  /** A term, as long as this is open. Close it when nothing is decided under it any more. */
  public static final class Held implements AutoCloseable {
    private final Path lock;
    private final FileChannel channel;
    private final Term term;

    private Held(Path lock, FileChannel channel, Term term) {
      this.lock = lock;
      this.channel = channel;
      this.term = term;
    }

    /** Higher than every term that was taken in this folder before, and durable. */
    public Term term() {
      return term;
    }

    @Override
    public void close() {
      try {
        channel.close();
      } catch (IOException e) {
        throw Refusal.run(lock + ": the lock cannot be given back: " + e, e);
      } finally {
        HELD.remove(lock);
      }
    }
  }

  /**
   * Takes the next term.
   *
   * @throws Refusal where another coordinator lives, or the last term cannot be read
   */
  public static Held take(Path runFolder) {
    return take(runFolder, false);
  }

  /**
   * The same, and waits for the end of the coordinator that lives. The kernel wakes the caller:
   * within a millisecond after that process is gone. Blocks; an interrupt is a {@link Refusal}.
   */
  public static Held await(Path runFolder) {
    return take(runFolder, true);
  }

  /** Refuses a folder in which a coordinator lives. */
  public static void requireFree(Path runFolder) {
    requireFree(runFolder, false);
  }

  /** Waits until no coordinator lives in a folder, as {@link #await}, and takes no term. */
  public static void awaitFree(Path runFolder) {
    requireFree(runFolder, true);
  }

  private static void requireFree(Path runFolder, boolean waits) {
    if (Files.exists(runFolder.resolve(LOCK))) {
      Path lock = claim(runFolder);
      try (FileChannel channel = open(lock)) {
        lock(runFolder, channel, waits);
      } catch (IOException e) {
        throw Refusal.run(lock + ": cannot be locked: " + e, e);
      } finally {
        HELD.remove(lock);
      }
    }
  }

  private static Held take(Path runFolder, boolean waits) {
    Path lock = claim(runFolder);
    FileChannel channel = null;
    try {
      channel = open(lock);
      lock(runFolder, channel, waits);
      Term term = next(runFolder);
      name(channel);
      return new Held(lock, channel, term);
    } catch (IOException | RuntimeException e) {
      close(channel);
      HELD.remove(lock);
      throw e instanceof Refusal refusal
          ? refusal
          : Refusal.run(runFolder + ": no term can be taken in it: " + e, e);
    }
  }

  private static Path claim(Path runFolder) {
    try {
      Path lock = runFolder.toRealPath().resolve(LOCK);
      if (HELD.add(lock)) {
        return lock;
      }
      throw held(runFolder, Optional.of(Long.toString(ProcessHandle.current().pid())));
    } catch (IOException e) {
      throw Refusal.run(runFolder + ": is no run folder that can be read: " + e, e);
    }
  }

  private static FileChannel open(Path lock) throws IOException {
    return FileChannel.open(
        lock, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
  }

  private static void lock(Path runFolder, FileChannel channel, boolean waits) throws IOException {
    boolean locked = waits ? channel.lock() != null : channel.tryLock() != null;
    if (!locked) {
      throw held(runFolder, holder(channel));
    }
  }

  private static Refusal held(Path runFolder, Optional<String> pid) {
    return Refusal.run(
        "%s: its run has a coordinator that lives, %s (expected: one that has ended); end that process first, or let it go on"
            .formatted(runFolder, pid.map(p -> "process " + p).orElse("a process unknown")));
  }

  // For the sentence above; a holder that was killed as it wrote this is just not known.
  private static Optional<String> holder(FileChannel channel) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(MOST_DIGITS);
    channel.read(bytes, 0);
    String text = new String(bytes.array(), 0, bytes.position(), StandardCharsets.US_ASCII);
    return Optional.of(text.strip()).filter(pid -> pid.matches("[0-9]+"));
  }

  private static void name(FileChannel channel) throws IOException {
    channel.truncate(0);
    String pid = ProcessHandle.current().pid() + "\n";
    channel.write(ByteBuffer.wrap(pid.getBytes(StandardCharsets.US_ASCII)), 0);
  }

  private static Term next(Path runFolder) throws IOException {
    Path file = runFolder.resolve(NAME);
    Term term = new Term(Files.exists(file) ? read(file) + 1 : 1);
    Durable.replace(file, runFolder.resolve(NEXT), term + "\n");
    return term;
  }

  private static long read(Path file) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    String text = new String(bytes, StandardCharsets.ISO_8859_1);
    if (!text.matches("[1-9][0-9]{0," + (MOST_DIGITS - 1) + "}\n")) {
      throw Refusal.run(
          "%s: '%s' is not the number of a term (expected: a whole number from 1 on a line of its own); write one that no coordinator of this run has had"
              .formatted(file, text.strip().substring(0, Math.min(40, text.strip().length()))));
    }
    return Long.parseLong(text.strip());
  }

  private static void close(FileChannel channel) {
    try {
      if (channel != null) {
        channel.close();
      }
    } catch (IOException e) {
      // What went wrong before is told.
    }
  }
}
