package org.dunlin.conf.launch;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dunlin.conf.report.MetricsLog;
import org.dunlin.conf.report.NodesFile;
import org.dunlin.conf.report.ProcessesFile;
import org.dunlin.conf.report.ReportFile;
import org.dunlin.coordinator.ledger.LedgerFile;
import org.dunlin.coordinator.record.RecordFile;
import org.dunlin.coordinator.record.RunId;
import org.dunlin.coordinator.record.TermFile;
import org.dunlin.data.checkpoint.CheckpointStore;
import org.dunlin.data.checkpoint.RunCopy;
import org.dunlin.protocol.Refusal;

/**
 * The folder that a run writes to, and nobody else while this is open: it holds a lock. Its {@code
 * run.conf} marks it as a run folder.
 */
public final class RunFolder implements AutoCloseable {
  /** The run's settings, as its other processes read them. */
  public static final String SETTINGS = "run.conf";

  // The supervisor's. A coordinator holds another one, TermFile.LOCK, which outlives no
  // coordinator.
  private static final String LOCK = RunCopy.LOCK;
  private static final Set<String> LOCKS = Set.of(LOCK, TermFile.LOCK);
  private static final String ENDED = ".ended";
  private static final String LOG = "dunlin.log";
  private static final String LOGS = "logs";

  /** The trained model. */
  static final String MODEL = "model";

  /** What workers' threads did when. */
  static final String TRACES = "traces";

  // Everything that Dunlin writes into a run folder, and so all that overwriting may remove.
  private static final Pattern OURS =
      Pattern.compile(
          String.join(
              "|",
              Pattern.quote(SETTINGS),
              Pattern.quote(ProcessesFile.NAME),
              Pattern.quote(NodesFile.NAME),
              Pattern.quote(MetricsLog.NAME),
              Pattern.quote(ReportFile.NAME),
              RecordFile.NAMES.pattern(),
              Pattern.quote(TermFile.NAME),
              Pattern.quote(TermFile.NEXT),
              Pattern.quote(RunId.NAME),
              Pattern.quote(RunId.NEXT),
              Pattern.quote(Control.FILE),
              Pattern.quote(ENDED),
              "\\.(processes|nodes|report|control)\\.json\\.next",
              LedgerFile.NAME.pattern(),
              Pattern.quote(LOG),
              LOGS,
              CheckpointStore.FOLDER,
              Pattern.quote(EvaluationProcess.FOLDER),
              TRACES,
              "\\.?model(-after-[0-9]+-steps)?(\\.partial)?"));

  private final Path path;
  private final FileChannel lockFile;

  private RunFolder(Path path, FileChannel lockFile) {
    this.path = path;
    this.lockFile = lockFile;
  }

  /**
   * Makes a folder for a new run.
   *
   * @param overwrite whether an older run's files may be removed
   * @param inputs what the run reads; it may not lie in what would be removed
   */
  public static RunFolder create(Path path, boolean overwrite, List<Path> inputs) {
    try {
      Files.createDirectories(path);
      List<Path> found = entries(path);
      if (!found.isEmpty()) {
        requireReplaceable(path, overwrite, inputs);
      }
      RunFolder folder = new RunFolder(path, lock(path, false));
      requireNoCoordinator(folder, false);
      for (Path entry : found) {
        if (OURS.matcher(entry.getFileName().toString()).matches()) {
          remove(entry);
        }
      }
      Files.createDirectories(path.resolve(LOGS));
      return folder;
    } catch (IOException e) {
      throw Refusal.usage(path + ": cannot be made a run folder: " + e);
    }
  }

  /** The folder of a run that is to go on. */
  static RunFolder resume(Path path) {
    return takeOver(path, false).begin();
  }

  /** The same, once whoever coordinates the run is gone; empty if it has ended. Blocks. */
  static Optional<RunFolder> await(Path path) {
    RunFolder folder = takeOver(path, true);
    if (hasEnded(path) || Files.exists(path.resolve(MODEL))) {
      folder.close();
      return Optional.empty();
    }
    return Optional.of(folder.begin());
  }

  private static RunFolder takeOver(Path path, boolean waits) {
    requireResumable(path);
    try {
      RunFolder folder = new RunFolder(path, lock(path, waits));
      requireNoCoordinator(folder, waits);
      return folder;
    } catch (IOException e) {
      throw unusable(path, e);
    }
  }

  private RunFolder begin() {
    try {
      Files.deleteIfExists(path.resolve(ENDED));
      Files.createDirectories(path.resolve(LOGS));
      return this;
    } catch (IOException e) {
      close();
      throw unusable(path, e);
    }
  }

  private static Refusal unusable(Path path, IOException why) {
    return Refusal.usage(path + ": cannot be used as a run folder: " + why);
  }

  private static void requireResumable(Path path) {
    if (!Files.isRegularFile(path.resolve(SETTINGS))) {
      throw Refusal.usage(
          "%s: holds no %s (expected: the folder of a run that is to go on); give it with --output FOLDER"
              .formatted(path, SETTINGS));
    }
    if (Files.exists(path.resolve(MODEL))) {
      throw Refusal.usage(
          "%s: its run has finished, and %s is its model (expected: one that has not)"
              .formatted(path, path.resolve(MODEL)));
    }
  }

  private static void requireReplaceable(Path path, boolean overwrite, List<Path> inputs)
      throws IOException {
    if (!overwrite) {
      throw Refusal.usage(
          path + ": is not empty (expected: a new folder); choose another one, or --overwrite");
    }
    if (!Files.isRegularFile(path.resolve(SETTINGS))) {
      throw Refusal.usage(
          path + ": holds no " + SETTINGS + " (expected: a run's folder, to be overwritten)");
    }
    for (Path input : inputs) {
      if (Files.exists(input) && input.toRealPath().startsWith(path.toRealPath())) {
        throw Refusal.usage(
            input + ": lies in the folder to be overwritten, " + path + "; move it elsewhere");
      }
    }
  }

  // One that was started by hand may live without a supervisor. Whoever dies gives two locks back,
  // one after the other.
  private static void requireNoCoordinator(RunFolder folder, boolean waits) {
    try {
      if (waits) {
        TermFile.awaitFree(folder.path);
      } else {
        TermFile.requireFree(folder.path);
      }
    } catch (Refusal e) {
      folder.close();
      throw e;
    }
  }

  private static FileChannel lock(Path path, boolean waits) throws IOException {
    FileChannel channel =
        FileChannel.open(path.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    FileLock held = null;
    try {
      held = waits ? channel.lock() : channel.tryLock();
    } catch (OverlappingFileLockException e) {
      // Held by this very process: the same answer as for another one.
    }
    if (held == null) {
      channel.close();
      throw Refusal.usage(path + ": is in use by a run that has not ended");
    }
    return channel;
  }

  private static List<Path> entries(Path folder) throws IOException {
    try (Stream<Path> all = Files.list(folder)) {
      return all.filter(entry -> !LOCKS.contains(entry.getFileName().toString())).toList();
    }
  }

  private static void remove(Path entry) throws IOException {
    try (Stream<Path> all = Files.walk(entry)) {
      for (Path file : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  /** Says for good that the run is over, to whoever would coordinate it next. */
  static void end(Path runFolder) {
    try {
      Files.writeString(runFolder.resolve(ENDED), "");
    } catch (IOException e) {
      throw Refusal.run(runFolder + ": cannot be written: " + e.getMessage(), e);
    }
  }

  static boolean hasEnded(Path runFolder) {
    return Files.exists(runFolder.resolve(ENDED));
  }

  public Path path() {
    return path;
  }

  /** The log of the process that a person started. */
  static Path trace(Path runFolder, String worker) {
    return runFolder.resolve(TRACES).resolve(worker + ".json");
  }

  static Path log(Path runFolder) {
    return runFolder.resolve(LOG);
  }

  /** The log of one of its children. */
  static Path log(Path runFolder, String process) {
    return runFolder.resolve(LOGS).resolve(process + ".log");
  }

  @Override
  public void close() {
    try {
      // The file stays: who removes a lock's file may remove the next one's.
      lockFile.close();
    } catch (IOException e) {
      throw Refusal.run(path + ": its lock cannot be given back: " + e, e);
    }
  }
}
