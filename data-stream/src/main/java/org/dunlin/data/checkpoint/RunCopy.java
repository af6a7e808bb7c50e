package org.dunlin.data.checkpoint;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.Set;
import java.util.regex.Pattern;
import org.dunlin.data.model.Sha256;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.CopyOffered;
import org.dunlin.protocol.message.RunBytes;

/**
 * A second copy of a run on another machine, a run folder from which the run can go on there: its
 * records and its newest checkpoints. While one checkpoint is being copied those before it stay.
 *
 * <pre>{@code
 * try (RunCopy copy = RunCopy.open(root, run)) {
 *   if (copy.begin(offered)) {
 *     for (RunBytes piece : pieces) {
 *       copy.put(piece);
 *     }
 *     copy.finish();
 *   }
 * }
 * }</pre>
 *
 * <p>What fails is a {@link Refusal}; the copies before it stay whole. Blocks on the disk; any
 * thread, one call at a time. While it is open no run and no other copy uses the folder.
 */
public final class RunCopy implements AutoCloseable {
  /** The lock of whoever writes to a run folder, or to a copy of one. */
  public static final String LOCK = ".lock";

  // No hidden file, as the lock is, and none of another folder.
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._#-]{0,200}");

  private final Path folder;
  private final FileChannel lock;
  private final CheckpointStore checkpoints;
  private CopyOffered offered;
  private Path file; // that is being written, if any
  private SeekableByteChannel channel;
  private long at;

  private RunCopy(Path folder, FileChannel lock) {
    this.folder = folder;
    this.lock = lock;
    this.checkpoints = CheckpointStore.in(folder.resolve(CheckpointStore.FOLDER));
  }

  /**
   * Makes the folder where there is none; one that is in use is a Refusal.
   *
   * @param root in which the copies of all runs lie
   * @param run the name of its folder
   */
  public static RunCopy open(Path root, String run) {
    if (!NAME.matcher(run).matches()) {
      throw Refusal.run("a copy's folder named '%s' (expected: a run's name)".formatted(run));
    }
    Path folder = root.toAbsolutePath().resolve(run);
    try {
      Files.createDirectories(folder);
      Disk.names(folder.getParent());
      FileChannel lock =
          FileChannel.open(
              folder.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      if (!isTaken(lock)) {
        lock.close();
        throw Refusal.run(
            folder + ": is in use by another worker, or by a run that goes on from it");
      }
      return new RunCopy(folder, lock);
    } catch (IOException e) {
      throw Refusal.run(folder + ": cannot be made: " + Disk.why(e), e);
    }
  }

  private static boolean isTaken(FileChannel lock) throws IOException {
    try {
      return lock.tryLock() != null;
    } catch (OverlappingFileLockException e) {
      return false; // by this very process
    }
  }

  /** Where the run can go on. */
  public Path folder() {
    return folder;
  }

  /**
   * Makes room for a checkpoint.
   *
   * @return whether its files are needed; not where the same one is there, sound
   */
  public synchronized boolean begin(CopyOffered offer) {
    offered = offer;
    requireOwn();
    Path manifest = checkpoints.folder(offer.steps()).resolve(Manifest.NAME);
    try {
      if (Files.exists(manifest) && !Sha256.of(manifest).equals(offer.manifestSha256())) {
        checkpoints.remove(offer.steps()); // of another past
      }
    } catch (IOException e) {
      throw refused(manifest, e);
    }
    return checkpoints.begin(offer.steps(), offer.bytes()).isPresent();
  }

  // A run that has gone on from here knows more than the one that is copied.
  private void requireOwn() {
    try {
      for (Path entry : Disk.entries(folder)) {
        String name = entry.getFileName().toString();
        if (!name.startsWith(".") && !name.equals(CheckpointStore.FOLDER) && !isSent(name)) {
          throw Refusal.run(
              "%s: holds %s, so a run has gone on in it (expected: a copy and nothing else); move it elsewhere"
                  .formatted(folder, name));
        }
      }
    } catch (IOException e) {
      throw refused(folder, e);
    }
  }

  private boolean isSent(String name) {
    return name.equals(CheckpointStore.RUN_CONF) || offered.records().contains(name);
  }

  /** Writes a piece; a file is durable, and has its name, when its last piece is written. */
  public synchronized void put(RunBytes piece) {
    Path target = target(piece.file());
    try {
      if (channel == null) {
        if (offered.records().contains(piece.file())) {
          // The run may have renounced those: with records that say so they must not be found.
          checkpoints.dropAfter(offered.steps());
        }
        file = target;
        at = 0;
        channel =
            Files.newByteChannel(
                Disk.partial(target),
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE);
      }
      if (!target.equals(file) || piece.at() != at) {
        throw new IOException(
            "a piece of %s at %d came (expected: the one at %d)".formatted(target, piece.at(), at));
      }
      at += piece.bytes().remaining();
      Disk.write(channel, piece.bytes().duplicate());
      if (piece.isLast()) {
        Disk.force(channel);
        channel.close();
        channel = null;
        Disk.rename(Disk.partial(target), target);
      }
    } catch (IOException e) {
      throw refused(target, e);
    }
  }

  private Path target(String name) {
    Path of = checkpoints.folder(offered.steps());
    String prefix = CheckpointStore.FOLDER + "/" + of.getFileName() + "/";
    boolean inCheckpoint = name.startsWith(prefix);
    String last = inCheckpoint ? name.substring(prefix.length()) : name;
    if (!NAME.matcher(last).matches() || !(inCheckpoint || isSent(name))) {
      throw Refusal.run(
          "%s: a file named '%s' came (expected: a record, or a file of the checkpoint)"
              .formatted(folder, name));
    }
    return (inCheckpoint ? of : folder).resolve(last);
  }

  /** Reads each byte of the checkpoint again, and removes those that need not be kept. */
  public synchronized void finish() {
    try (Checkpoint checkpoint = checkpoints.at(offered.steps())) {
      checkpoint.verify(name -> {});
    } catch (Refusal e) {
      checkpoints.remove(offered.steps());
      throw e;
    }
    Set<Long> kept = new HashSet<>(offered.complete());
    kept.add(offered.steps());
    checkpoints.retain(kept);
  }

  /** Removes what there is of a checkpoint that is not whole. */
  public synchronized void abandon() {
    try {
      if (channel != null) {
        channel.close();
        channel = null;
        Files.deleteIfExists(Disk.partial(file));
      }
    } catch (IOException e) {
      throw refused(file, e);
    }
    if (offered != null) {
      checkpoints.abandon(offered.steps());
    }
  }

  private static Refusal refused(Path path, IOException e) {
    return Refusal.run("%s: cannot be written: %s".formatted(path, Disk.why(e)), e);
  }

  /** Gives the folder back; the lock's file stays, as another's lock it may be by then. */
  @Override
  public synchronized void close() {
    try (FileChannel held = lock) {
      if (held.isOpen()) {
        abandon();
      }
    } catch (IOException e) {
      throw refused(folder, e);
    }
  }
}
