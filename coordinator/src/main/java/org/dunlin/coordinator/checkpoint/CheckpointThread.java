package org.dunlin.coordinator.checkpoint;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Clock;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SortedSet;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.apache.pekko.NotUsed;
import org.apache.pekko.dispatch.Dispatchers;
import org.apache.pekko.stream.ActorAttributes;
import org.apache.pekko.stream.KillSwitches;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.SharedKillSwitch;
import org.apache.pekko.stream.javadsl.Source;
import org.dunlin.coordinator.actor.Run;
import org.dunlin.coordinator.ledger.Checksums;
import org.dunlin.coordinator.model.InitialState;
import org.dunlin.coordinator.step.CheckpointPoint;
import org.dunlin.coordinator.step.CutRecord;
import org.dunlin.data.checkpoint.Checkpoint;
import org.dunlin.data.checkpoint.CheckpointFolders;
import org.dunlin.data.checkpoint.CheckpointStore;
import org.dunlin.data.checkpoint.FolderName;
import org.dunlin.data.checkpoint.Manifest;
import org.dunlin.data.checkpoint.Retention;
import org.dunlin.data.checkpoint.StateShares;
import org.dunlin.data.checkpoint.StateTensor;
import org.dunlin.data.model.EncoderTensors;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.message.ToCoordinator;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.protocol.run.Scalars;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A run's checkpoints in a folder, with a thread of its own that waits for the disk. Close it after
 * the run.
 */
public final class CheckpointThread implements Run.Checkpoints, AutoCloseable {
  // At most one is being written, and a few are given up.
  private static final int QUEUE = 64;

  // Of a disk that hangs.
  private static final int CLOSE_SECONDS = 30;

  private static final Logger LOG = LoggerFactory.getLogger(CheckpointThread.class);

  private final CheckpointFolders folders;
  private final boolean membersWrite;
  private final boolean keptElsewhere;
  private final ModelFolder model;
  private final RunSpec spec;
  private final Checksums known;
  private final Term term;
  private final String version;
  private final String settings;
  private Retention retention; // by its thread, from then on
  private String folder = ""; // of the one that is being made
  private SharedKillSwitch sending =
      KillSwitches.shared("checkpoint"); // of the newest, by the actor
  private final ThreadPoolExecutor thread =
      new ThreadPoolExecutor(
          1,
          1,
          0,
          TimeUnit.SECONDS,
          new ArrayBlockingQueue<>(QUEUE),
          Thread.ofPlatform().daemon().name("checkpoints").factory());

  /**
   * @param folders that only this coordinator completes checkpoints in
   * @param membersWrite whether members see the first of them, and write their shares there
   * @param keptElsewhere whether the loss of this machine's disk is not theirs, copies apart
   * @param model that the run began with; stays open until the run is over
   * @param known what counts of each step
   * @param settings of the run, HOCON, to be kept with each
   */
  public CheckpointThread(
      CheckpointFolders folders,
      boolean membersWrite,
      boolean keptElsewhere,
      ModelFolder model,
      RunSpec spec,
      Checksums known,
      Term term,
      String version,
      String settings,
      Retention retention) {
    this.folders = folders;
    this.membersWrite = membersWrite;
    this.keptElsewhere = keptElsewhere;
    this.model = model;
    this.spec = spec;
    this.known = known;
    this.term = term;
    this.version = version;
    this.settings = settings;
    this.retention = retention;
  }

  @Override
  public CompletionStage<Optional<String>> begin(long steps) {
    sending = KillSwitches.shared("checkpoint");
    return CompletableFuture.supplyAsync(
        () -> {
          Optional<String> made = folders.first().begin(steps, bytes()).map(FolderName::of);
          folder = made.orElse(folder);
          return made;
        },
        thread);
  }

  private long bytes() {
    return StateShares.bytes(model.tensors(), this::isTrained);
  }

  private boolean isTrained(String name) {
    return EncoderTensors.isTrained(spec.optimizer().frozen(), name);
  }

  @Override
  public boolean membersWrite() {
    return membersWrite;
  }

  @Override
  public boolean hasCopies() {
    return keptElsewhere || folders.hasCopies();
  }

  @Override
  public CompletionStage<CheckpointPart> write(
      long steps, ToCoordinator.ShareOffered share, Materializer materializer) {
    List<StateTensor> tensors =
        StateShares.of(
                EncoderTensors.expected(spec.encoder(), spec.heads()),
                this::isTrained,
                share.shares())
            .get(share.share());
    return SentShare.write(folders.first().folder(steps), share, tensors, sending, materializer);
  }

  @Override
  public CompletionStage<String> complete(
      CheckpointPoint point,
      int epoch,
      long history,
      List<CutRecord> cuts,
      List<CheckpointPart> parts,
      Consumer<String> told) {
    Manifest.Place place =
        new Manifest.Place(
            point.steps(),
            epoch,
            history,
            point.scalars(),
            point.notFinite(),
            cuts.stream().map(cut -> new Manifest.Cut(cut.fromStep(), cut.limit())).toList(),
            point.checksum());
    return CompletableFuture.supplyAsync(
        () -> {
          Manifest.Origin origin =
              new Manifest.Origin(term, version, host(), Clock.systemUTC().instant());
          CheckpointStore store = folders.first();
          Optional<CheckpointPart> frozen = store.frozen(point.steps(), model, spec);
          store.complete(new Manifest(spec, place, origin, parts, frozen), settings);
          copy(point.steps(), told);
          store.keep(retention);
          return folder;
        },
        thread);
  }

  private void copy(long steps, Consumer<String> told) {
    String what = "the checkpoint after %d steps has no copy".formatted(steps);
    try {
      folders.copy(steps);
      what = "copies that need not be kept stay";
      folders.keepCopies(retention);
    } catch (Refusal e) {
      told.accept("%s: %s; the run goes on".formatted(what, e.getMessage()));
    }
  }

  private static String host() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      return "unknown";
    }
  }

  @Override
  public void hold(SortedSet<Long> steps) {
    thread.execute(() -> retention = retention.with(steps));
  }

  @Override
  public void dropAfter(long steps) {
    remove(() -> folders.dropAfter(steps));
  }

  @Override
  public void abandon(long steps) {
    sending.abort(Refusal.run("the checkpoint is given up"));
    remove(() -> folders.first().abandon(steps));
  }

  // What a disk does not let go of counts for nothing, and the next one of as many steps removes
  // it.
  private void remove(Runnable files) {
    thread.execute(
        () -> {
          try {
            files.run();
          } catch (Refusal e) {
            LOG.warn("what is left of a checkpoint stays: {}", e.getMessage());
          }
        });
  }

  @Override
  public CompletionStage<CheckpointPoint> newest(Consumer<String> skipped) {
    return CompletableFuture.supplyAsync(() -> newest(folders, spec, known, skipped), thread);
  }

  /**
   * The newest whose files are whole, every value read; the run's beginning if there is none.
   *
   * @param known what counts of each step; a checkpoint of another past is skipped
   * @param told of those that are skipped or read from their copies, and why
   */
  public static CheckpointPoint newest(
      CheckpointFolders folders, RunSpec spec, Checksums known, Consumer<String> told) {
    return folders
        .newest(checkpoint -> point(checkpoint, spec, known), told)
        .orElseGet(() -> new CheckpointPoint(0, Scalars.first(spec.compute().precision()), 0, 0));
  }

  /**
   * Where the run is by a checkpoint, of which every byte is read.
   *
   * @param known what counts of each step
   * @throws Refusal if it is spoiled, of another run, or of steps that count no more
   */
  public static CheckpointPoint point(Checkpoint checkpoint, RunSpec spec, Checksums known) {
    RunSpec of = checkpoint.manifest().spec();
    if (!of.weightsSha256().equals(spec.weightsSha256())
        || !of.dataSha256().equals(spec.dataSha256())) {
      throw Refusal.run(
          checkpoint.folder() + ": is of a run of other weights or data (expected: this run's)");
    }
    checkpoint.verify(progress -> {});
    Manifest.Place place = checkpoint.manifest().place();
    OptionalLong counts = known.of(place.steps() - 1);
    if (counts.isPresent() && counts.getAsLong() != place.checksum()) {
      throw Refusal.run(
          checkpoint.folder()
              + ": is of steps that the run has renounced since (expected: others)");
    }
    return new CheckpointPoint(
        place.steps(), place.scalars(), place.checksum(), place.notFiniteInARow());
  }

  @Override
  public Source<StateChunk, NotUsed> state(long steps) {
    return steps == 0
        ? InitialState.of(model)
        : Source.unfoldResource(
                () -> new Reading(folders.open(steps)), Reading::next, Reading::close)
            .withAttributes(ActorAttributes.dispatcher(Dispatchers.DefaultBlockingDispatcherId()));
  }

  /** One worker's, on its way to it. */
  private static final class Reading {
    private final Checkpoint checkpoint;
    private int at;

    Reading(Checkpoint checkpoint) {
      this.checkpoint = checkpoint;
    }

    Optional<StateChunk> next() {
      if (at == checkpoint.pieces().size()) {
        return Optional.empty();
      }
      StateChunk.Piece piece = checkpoint.pieces().get(at++);
      return Optional.of(
          new StateChunk(
              piece.kind(),
              piece.tensor(),
              piece.firstElement(),
              checkpoint.read(piece).asReadOnlyBuffer()));
    }

    void close() {
      checkpoint.close();
    }
  }

  /** What is being done ends first. */
  @Override
  public void close() {
    thread.shutdown();
    try {
      if (!thread.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
        thread.shutdownNow();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
