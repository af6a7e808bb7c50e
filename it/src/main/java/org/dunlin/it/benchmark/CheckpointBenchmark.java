package org.dunlin.it.benchmark;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.dunlin.data.checkpoint.StateTensor;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.ComputeSpec.Precision;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.collective.Alone;
import org.dunlin.worker.engine.Block;
import org.dunlin.worker.hang.HangWatch;
import org.dunlin.worker.member.Device;
import org.dunlin.worker.member.PartsThread;
import org.dunlin.worker.step.StepCompute;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What checkpoints cost training, and how fast they are written, beside PyTorch's. */
@Command(
    name = "checkpoint",
    mixinStandardHelpOptions = true,
    showDefaultValues = true,
    description = {
      "Trains with a checkpoint every so many steps and without, alternating, in this process: the",
      "ratio of step times, and how long training stands still for one: to take the snapshot, and in",
      "updates, which first copy what has not been written yet. Then that copy where nothing has been",
      "written, beside a plain copy; a share written with its checksums and made durable, beside a",
      "plain file of as many bytes; and the same state saved by torch.save and by async_save of",
      "torch.distributed.checkpoint. A GB is 10^9 bytes. The manifest, which another thread writes,",
      "is left out.",
      "Example: ./dunlin benchmark checkpoint --mib 2000 --python .venv-peer/bin/python"
    })
final class CheckpointBenchmark implements Callable<Integer> {
  private static final double GB = 1e9;
  private static final double STALL_GOAL_MS = 50; // a GB copied
  private static final double SHARE_GOAL = 1; // per cent of training time
  private static final int SLOTS = 8;
  private static final int MICRO_BATCH_TOKENS = 4096;
  private static final int MIN_MIB = 600;
  private static final int MAX_MIB = 1 << 20;

  @Mixin private BenchStep step;

  @Option(
      names = "--python",
      description = "A Python with torch and transformers; absent: no peer.")
  private Optional<String> python = Optional.empty();

  @Option(names = "--threads", description = "Compute threads.")
  private int threads = 2;

  @Option(names = "--every", description = "Steps of a round, which has one checkpoint or none.")
  private int every = 20;

  @Option(names = "--rounds", description = "Rounds with checkpoints, and of everything else.")
  private int rounds = 5;

  @Option(
      names = "--mib",
      description =
          "State that is copied and saved, 600 to 1048576: a made-up one; absent: as --size.")
  private Optional<Integer> mib = Optional.empty();

  @Option(
      names = "--folder",
      description = "Where files are written; absent: the system's for temporary ones.")
  private Optional<Path> folder = Optional.empty();

  private final CpuSpans spans = new CpuSpans();
  private final List<Double> calmMs = new ArrayList<>();
  private final List<Double> savingMs = new ArrayList<>();
  private final List<Double> ratios = new ArrayList<>();
  private final List<Double> snapshotMs = new ArrayList<>();
  private final List<Double> longestMs = new ArrayList<>();
  private final List<Double> stalledPercent = new ArrayList<>();
  private final List<Double> whileTrainingMs = new ArrayList<>();

  @Override
  public Integer call() throws IOException {
    if (mib.filter(size -> size < MIN_MIB || size > MAX_MIB).isPresent()) {
      throw Refusal.usage("--mib: %d (expected: %d to %d)".formatted(mib.get(), MIN_MIB, MAX_MIB));
    }
    Path own =
        folder.isPresent()
            ? Files.createTempDirectory(folder.get(), "bench-checkpoint")
            : Files.createTempDirectory("bench-checkpoint");
    try (PartsThread parts = new PartsThread(new WorkerId("bench", 1))) {
      train(own, parts);
      save(own, parts);
    } finally {
      Files.delete(own);
    }
    return 0;
  }

  private void train(Path own, PartsThread parts) throws IOException {
    int most = Math.max(step.queryTokens(), step.passageTokens());
    BatchSpec batch =
        new BatchSpec(
            step.queries(), 0, 1, SLOTS, Math.max(MICRO_BATCH_TOKENS, most), 1, most, most, 1);
    RunSpec spec = step.size().run(batch, step.unified(), new ComputeSpec(Precision.FP32, false));
    int[] queries = new int[step.queries()];
    int[] passages = new int[step.queries()];
    Arrays.fill(queries, step.queryTokens());
    Arrays.fill(passages, step.passageTokens());
    try (StepCompute device = StepCompute.among(1, spec, threads, spans, HangWatch.NONE)) {
      BenchModel.fill(device);
      BenchBatch made = BenchBatch.of(0, queries, passages, batch, spec.encoder().vocabulary());
      step(device, made); // warms all up
      step(device, made);
      savingRound(device, made, own, parts);
      List.of(calmMs, savingMs, snapshotMs, longestMs, stalledPercent, whileTrainingMs)
          .forEach(List::clear);
      for (int round = 0; round < rounds; round++) {
        if (round % 2 == 0) { // whatever changes with time favours neither
          calmRound(device, made);
          savingRound(device, made, own, parts);
        } else {
          savingRound(device, made, own, parts);
          calmRound(device, made);
        }
        ratios.add(savingMs.get(round) / calmMs.get(round));
        System.err.printf(
            "round %d of %d: a step took %.0f ms without a checkpoint, %.0f ms with one in %d%n",
            round + 1, rounds, calmMs.get(round), savingMs.get(round), every);
      }
      printTraining(stateBytes(device));
    }
  }

  private static void step(StepCompute device, BenchBatch batch) {
    device.compute(batch.header(), batch.slots(), new Alone(), new int[] {0, SLOTS});
    device.apply(batch.header().step());
  }

  private void calmRound(StepCompute device, BenchBatch batch) {
    long startNs = System.nanoTime();
    for (int s = 0; s < every; s++) {
      step(device, batch);
    }
    calmMs.add(msSince(startNs) / every);
  }

  private void savingRound(StepCompute device, BenchBatch batch, Path own, PartsThread parts)
      throws IOException {
    spans.clear();
    long startNs = System.nanoTime();
    Device.Snapshot snapshot = device.snapshot(0, 1);
    double snapshotTook = msSince(startNs);
    CompletableFuture<Double> written =
        parts.write(own, 0, 1, snapshot).thenApply(part -> msSince(startNs));
    for (int s = 0; s < every; s++) {
      step(device, batch);
    }
    double allMs = msSince(startNs);
    whileTrainingMs.add(written.join());
    remove(own);
    List<Double> kept = keptMs();
    double keptAll = kept.stream().mapToDouble(Double::doubleValue).sum();
    savingMs.add(allMs / every);
    snapshotMs.add(snapshotTook);
    longestMs.add(kept.stream().mapToDouble(Double::doubleValue).max().orElse(0)); // or none left
    stalledPercent.add(100 * (snapshotTook + keptAll) / allMs);
  }

  private List<Double> keptMs() {
    return spans.wallMs(done -> done.what().equals("keep for a checkpoint"));
  }

  private void printTraining(long bytes) {
    System.out.printf(
        Locale.ROOT,
        "%s, %s, %d threads, %d pairs of %d + %d tokens, a state of %.0f MB; %d rounds of %d steps with a checkpoint and as many without, alternating%n",
        step.size(),
        step.heads(),
        threads,
        step.queries(),
        step.queryTokens(),
        step.passageTokens(),
        bytes / 1e6,
        rounds,
        every);
    printTitle();
    print("a step without checkpoints, ms", calmMs, 1);
    print("a step with one every " + every + " steps, ms", savingMs, 1);
    print("  the one divided by the other", ratios, 3);
    print("taking the snapshot, ms", snapshotMs, 3);
    print("longest wait of an update for it, ms", longestMs, 1);
    print("training stands still for it, percent of its time", stalledPercent, 3);
    double share = Figures.percentile(stalledPercent, 50);
    System.out.printf(
        Locale.ROOT,
        "  the goal, under %.0f %%, is %s%n",
        SHARE_GOAL,
        share < SHARE_GOAL ? "met" : "missed");
    print("until it is on the disk, while training goes on, ms", whileTrainingMs, 0);
  }

  private void save(Path own, PartsThread parts) throws IOException {
    BatchSpec batch = new BatchSpec(2, 0, 1, SLOTS, MICRO_BATCH_TOKENS, 1, 8, 8, 1);
    EncoderSpec encoder = mib.map(BenchModel::ofStateMib).orElseGet(step.size()::encoder);
    RunSpec spec =
        BenchModel.run(encoder, batch, step.unified(), new ComputeSpec(Precision.FP32, false));
    List<Double> keptMs = new ArrayList<>();
    List<Double> copiedMs = new ArrayList<>();
    List<Double> partSpeed = new ArrayList<>();
    List<Double> plainSpeed = new ArrayList<>();
    List<double[]> saved = new ArrayList<>();
    List<double[]> savedAsync = new ArrayList<>();
    long bytes;
    Path elements = Files.createTempFile("elements", ".txt");
    try (StepCompute device = StepCompute.among(1, spec, threads, spans, HangWatch.NONE)) {
      BenchModel.fill(device);
      bytes = stateBytes(device);
      Files.writeString(
          elements,
          device.parameters().values().stream()
              .map(String::valueOf)
              .collect(Collectors.joining("\n")));
      BenchBatch made =
          BenchBatch.of(0, new int[] {8, 8}, new int[] {8, 8}, batch, encoder.vocabulary());
      Block scratch = new Block(mostElements(device));
      try (AutoPeer peer = new AutoPeer(python.map(path -> peer(path, elements, own)))) {
        for (int round = -1; round < rounds; round++) { // the first one warms all up
          double kept = keepAll(device, made);
          double copied = copyAll(device, scratch);
          double part = writePart(device, own, parts);
          double plain = writePlain(own, bytes);
          Optional<double[]> one = peer.ask("save");
          Optional<double[]> other = peer.ask("async");
          if (round >= 0) {
            keptMs.add(kept / bytes * GB);
            copiedMs.add(copied / bytes * GB);
            partSpeed.add(part);
            plainSpeed.add(plain);
            one.ifPresent(saved::add);
            other.ifPresent(savedAsync::add);
          }
        }
      }
    } finally {
      Files.delete(elements);
    }
    System.out.printf(
        Locale.ROOT, "%na state of %.0f MB, %d alternating rounds%n", bytes / 1e6, rounds);
    printTitle();
    print("an update's wait where nothing is written yet, ms a GB", keptMs, 0);
    System.out.printf(
        Locale.ROOT,
        "  the goal, %.0f ms, is %s%n",
        STALL_GOAL_MS,
        Figures.percentile(keptMs, 50) <= STALL_GOAL_MS ? "met" : "missed");
    print("a copy by one thread to memory in use already, ms a GB", copiedMs, 0);
    print("a share: checksums, file, fsync, MB/s", partSpeed, 0);
    print("a plain file of as many bytes and its fsync, MB/s", plainSpeed, 0);
    print("  the one divided by the other", quotients(partSpeed, plainSpeed), 2);
    if (!saved.isEmpty()) {
      print("torch.save, during which training stands, ms a GB", each(saved, 0, bytes), 0);
      print("  with an fsync, MB/s", speeds(each(saved, 1, bytes)), 0);
      print("async_save until it returns, ms a GB", each(savedAsync, 0, bytes), 0);
      print("  until files are on the disk, MB/s", speeds(each(savedAsync, 1, bytes)), 0);
    }
  }

  private Peer peer(String path, Path elements, Path own) {
    return new Peer(
        path,
        "bench_checkpoint",
        List.of(
            "--elements",
            elements.toString(),
            "--folder",
            own.toAbsolutePath().toString(),
            "--threads",
            "" + threads));
  }

  /** A peer that may be absent. */
  private record AutoPeer(Optional<Peer> peer) implements AutoCloseable {
    Optional<double[]> ask(String line) {
      return peer.map(one -> one.ask(line));
    }

    @Override
    public void close() throws IOException {
      if (peer.isPresent()) {
        peer.get().close();
      }
    }
  }

  // The update finds a snapshot of which nothing has been read.
  private double keepAll(StepCompute device, BenchBatch batch) {
    spans.clear();
    Device.Snapshot snapshot = device.snapshot(0, 1);
    step(device, batch);
    snapshot.close();
    System.gc(); // its copy's memory is given back only when the buffers are collected
    return Figures.percentile(keptMs(), 100);
  }

  private static double copyAll(StepCompute device, Block scratch) {
    try (Device.Snapshot snapshot = device.snapshot(0, 1)) {
      long startNs = System.nanoTime();
      for (StateTensor tensor : snapshot.tensors()) {
        FloatBuffer into = scratch.floats(0, tensor.tensor().elements());
        snapshot.read(tensor, 0, into);
      }
      return msSince(startNs);
    }
  }

  private static double writePart(StepCompute device, Path own, PartsThread parts)
      throws IOException {
    long startNs = System.nanoTime();
    CheckpointPart part = parts.write(own, 0, 1, device.snapshot(0, 1)).join();
    double tookMs = msSince(startNs);
    remove(own);
    return speed(part.bytes(), tookMs);
  }

  private static double writePlain(Path own, long bytes) throws IOException {
    ByteBuffer piece = ByteBuffer.allocateDirect(StateChunk.MAX_BYTES);
    byte[] values = new byte[StateChunk.MAX_BYTES];
    new Random(1).nextBytes(values);
    piece.put(values);
    long startNs = System.nanoTime();
    try (FileChannel channel =
        FileChannel.open(
            own.resolve("plain"), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      long left = bytes;
      while (left > 0) {
        piece.position(0).limit((int) Math.min(piece.capacity(), left));
        left -= channel.write(piece);
      }
      channel.force(true);
    }
    double tookMs = msSince(startNs);
    remove(own);
    return speed(bytes, tookMs);
  }

  private static void remove(Path own) throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(own)) {
      for (Path file : files) {
        Files.delete(file);
      }
    }
  }

  private static long stateBytes(Device device) {
    long parameters = device.parameters().values().stream().mapToLong(Long::longValue).sum();
    return (parameters + device.moments()) * Float.BYTES;
  }

  private static long mostElements(Device device) {
    return device.parameters().values().stream().mapToLong(Long::longValue).max().orElseThrow();
  }

  private static double msSince(long startNs) {
    return (System.nanoTime() - startNs) / 1e6;
  }

  private static double speed(long bytes, double ms) {
    return bytes / 1e3 / ms; // MB/s
  }

  private static List<Double> each(List<double[]> ms, int which, long bytes) {
    return ms.stream().map(one -> one[which] / bytes * GB).toList();
  }

  private static List<Double> speeds(List<Double> msOfGb) {
    return msOfGb.stream().map(ms -> speed((long) GB, ms)).toList();
  }

  private static List<Double> quotients(List<Double> some, List<Double> others) {
    List<Double> quotients = new ArrayList<>();
    for (int i = 0; i < some.size(); i++) {
      quotients.add(some.get(i) / others.get(i));
    }
    return quotients;
  }

  private static void printTitle() {
    System.out.printf("%-58s %9s %9s %9s%n", "", "median", "least", "most");
  }

  private static void print(String what, List<Double> values, int digits) {
    String format = "%-58s %9." + digits + "f %9." + digits + "f %9." + digits + "f%n";
    System.out.printf(
        Locale.ROOT,
        format,
        what,
        Figures.percentile(values, 50),
        Figures.percentile(values, 0),
        Figures.percentile(values, 100));
  }
}
