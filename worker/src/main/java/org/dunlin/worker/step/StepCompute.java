package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.FloatBuffer;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import java.util.zip.CRC32C;
import org.dunlin.data.state.Segment;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.protocol.run.Scalars;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.collective.Parting;
import org.dunlin.worker.collective.SummationTree;
import org.dunlin.worker.engine.Abandoned;
import org.dunlin.worker.engine.ComputeThreads;
import org.dunlin.worker.engine.EncoderDevice;
import org.dunlin.worker.engine.Failure;
import org.dunlin.worker.engine.Torch;
import org.dunlin.worker.hang.HangWatch;
import org.dunlin.worker.loss.ScoreWatch;
import org.dunlin.worker.loss.SlotLoss;
import org.dunlin.worker.member.Device;
import org.dunlin.worker.trace.Trace;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Trains on the processor's cores: several micro-batches at once, one compute thread each. The
 * encoder may compute on a device instead, see {@link Staging}; all else stays here.
 *
 * <p>What is done of a step when its generation ends is kept for the next one: only what nobody has
 * is computed again. It is given up when the step is applied, when another one begins, when all of
 * it is to be computed again, and after a failure of this device.
 *
 * <p>One caller at a time. Close it: it owns threads and native memory.
 */
public final class StepCompute implements Device {
  private static final Logger LOG = LoggerFactory.getLogger(StepCompute.class);

  /** Steps in which all of the state is compared with the others' once. */
  static final int PARTS = 16;

  private final RunSpec spec;
  private final Trace trace;
  private final HangWatch watch;
  private final ComputeThreads threads;
  private final NDManager manager = Torch.newManager();
  private final State state;
  private final Staging staging;
  private final EmbeddingPass embedding;
  private final PassageGather gather;
  private final LossPass loss;
  private final BackwardPass backward;
  private final AdamW optimizer;
  private final Reduced reduced;
  private final Lessons lessons;
  private final GradientPool pool;
  private Scalars scalars;
  private StepResult computed;
  private Optional<StepWork> work = Optional.empty(); // of the step in flight
  private Optional<Exchange> last = Optional.empty();
  private int ownFirst;
  private int ownEnd;

  /**
   * @param computeThreads at least 1; bits do not depend on it
   */
  public StepCompute(RunSpec spec, int computeThreads) {
    this(
        spec,
        computeThreads,
        Memory.ofMachine(spec.compute().recomputesLayers()),
        Optional.empty(),
        Trace.NONE,
        HangWatch.NONE,
        EncoderDevice.PROCESSOR);
  }

  /**
   * Of a worker that is not alone on its machine.
   *
   * @param workers on this machine, at least 1; bits do not depend on it
   * @param trace of what its threads do; closed with the device
   * @param watch of what it computes without the others
   */
  public static StepCompute among(
      int workers, RunSpec spec, int computeThreads, Trace trace, HangWatch watch) {
    Memory memory = Memory.ofMachine(spec.compute().recomputesLayers(), workers);
    return new StepCompute(
        spec, computeThreads, memory, Optional.empty(), trace, watch, EncoderDevice.PROCESSOR);
  }

  /**
   * Of a worker whose encoder computes somewhere else.
   *
   * @param on what bits depend on
   * @param memory its own, which graphs are kept in; bits do not depend on it
   * @param trace of what its threads do; closed with the device
   * @param watch of what it computes without the others
   */
  public static StepCompute on(
      EncoderDevice on,
      RunSpec spec,
      int computeThreads,
      Memory memory,
      Trace trace,
      HangWatch watch) {
    return new StepCompute(spec, computeThreads, memory, Optional.empty(), trace, watch, on);
  }

  /**
   * @param memory bits do not depend on it
   * @param watch is shown all scores
   */
  public StepCompute(RunSpec spec, int computeThreads, Memory memory, Optional<ScoreWatch> watch) {
    this(spec, computeThreads, memory, watch, Trace.NONE, HangWatch.NONE, EncoderDevice.PROCESSOR);
  }

  /**
   * @param on what the encoder computes on, which bits depend on
   */
  StepCompute(
      RunSpec spec,
      int computeThreads,
      Memory memory,
      Optional<ScoreWatch> scores,
      Trace trace,
      HangWatch watch,
      EncoderDevice on) {
    this.spec = spec;
    this.trace = trace;
    this.watch = watch;
    this.threads = new ComputeThreads(computeThreads, trace, watch);
    this.state = new State(spec.encoder(), spec.heads(), spec.optimizer().frozen());
    this.scalars = Scalars.first(spec.compute().precision());
    this.staging = Staging.of(on, state);
    Encoder encoder =
        new Encoder(
            manager,
            spec.encoder(),
            spec.heads(),
            spec.loss(),
            spec.compute().precision(),
            on,
            state.frozen(),
            staging);
    this.reduced = new Reduced(manager, state);
    this.lessons = new Lessons(threads, state, reduced, scalars, trace);
    this.embedding = new EmbeddingPass(spec, encoder, memory);
    this.gather = new PassageGather(spec);
    this.loss = new LossPass(gather, new SlotLoss(manager, spec, scores));
    List<Segment> segments = state.layout().segments();
    this.pool =
        new GradientPool(manager, state.trainedSegments().stream().map(segments::get).toList());
    this.backward =
        new BackwardPass(
            pool, embedding, encoder, memory, state, reduced, spec.compute().reduction());
    this.optimizer = new AdamW(spec.optimizer(), state);
  }

  @Override
  public Map<String, Long> parameters() {
    Map<String, Long> parameters = new LinkedHashMap<>();
    for (Segment segment : state.layout().segments()) {
      parameters.put(segment.tensor().name(), segment.tensor().elements());
    }
    return parameters;
  }

  @Override
  public long moments() {
    List<Segment> segments = state.layout().segments();
    return 2
        * IntStream.range(0, segments.size())
            .filter(state::isTrained)
            .mapToLong(s -> segments.get(s).tensor().elements())
            .sum();
  }

  @Override
  public void restore(long steps, Scalars with) {
    forget();
    state.clearMoments();
    scalars = with;
    lessons.resume(steps, with);
  }

  @Override
  public void write(Kind kind, String tensor, long firstElement, FloatBuffer values) {
    forget();
    state
        .values(state.segment(tensor), kind, firstElement, values.remaining())
        .put(values.duplicate());
    state.changed();
  }

  @Override
  public void read(String parameter, long firstElement, FloatBuffer into) {
    into.put(state.values(parameter, firstElement, into.remaining()));
  }

  @Override
  public StepResult compute(
      StepHeader header,
      List<SlotBatch> own,
      Exchange exchange,
      int[] slotBounds,
      Recompute recompute) {
    threads.until(exchange::isClosed);
    Trace.Span span = trace.begin("compute step " + header.step());
    try (NDManager scratch = manager.newSubManager()) {
      StepResult result = compute(scratch, header, own, exchange, slotBounds, recompute);
      if (exchange.members() == 1) {
        forget(); // nobody's death can break this step off
      }
      return result;
    } catch (Parting | Abandoned e) {
      throw e; // others' affair: what is done here stays good
    } catch (RuntimeException | Error e) {
      forget();
      throw e;
    } finally {
      span.end();
      threads.untilDone();
    }
  }

  private StepResult compute(
      NDManager scratch,
      StepHeader header,
      List<SlotBatch> fed,
      Exchange exchange,
      int[] slotBounds,
      Recompute recompute) {
    long busyNs = threads.busyNs();
    Exchange traced = new TracedExchange(exchange, trace);
    boolean isNew = last.filter(exchange::equals).isEmpty();
    last = Optional.of(exchange);
    StepWork ours = workOn(header, isNew && recompute == Recompute.MISSING);
    SlotDigests digests = new SlotDigests(recompute == Recompute.ALL_SHOWN);
    Claims claims = isNew ? ours.claims(fed) : Claims.none(header.slots());
    List<Claims> all =
        isNew && exchange.members() > 1 ? claims.exchange(header.step(), traced) : List.of(claims);
    boolean goesOn = all.stream().anyMatch(Claims::begun);
    int[] bounds = goesOn && all.size() > 1 ? Claims.share(slotBounds, all) : slotBounds;
    int first = bounds[exchange.member()];
    int end = bounds[exchange.member() + 1];
    List<SlotWork> slots = ours.take(first, end, fed, this::slotWork);
    if (goesOn) {
      logGoingOn(header, slots, exchange.members());
    }
    ownFirst = first;
    ownEnd = end;
    String of = " of step " + header.step();
    SlotLoss.Passages passages =
        Failure.ofPart(
            "the embeddings" + of, // each row's, and everyone's passages'
            () -> {
              try (PassageGather.Gathering gathering =
                  gather.begin(header, slots, traced, bounds)) {
                embedding.run(threads, ours.arrays(), slots);
                return gathering.all(scratch);
              }
            });
    double[] losses =
        Failure.ofPart(
            "the loss" + of,
            () ->
                loss.run(
                    threads,
                    scratch,
                    header,
                    ours.tree(),
                    slots,
                    passages,
                    traced,
                    bounds,
                    digests));
    double scale = scalars.lossScale();
    String sum = "the sum of gradients" + of;
    double busyMs = // with the own slots alone, and with all of them
        Failure.ofPart(
            sum,
            () -> {
              backward.run(threads, scratch, header, ours, slots, traced, bounds, scale, digests);
              return goesOn ? 0 : (threads.busyNs() - busyNs) / 1e6;
            });
    computed =
        watch.during(
            "the norm and checksum of a step",
            () -> result(scratch, header, slots, losses, busyMs, digests));
    return computed;
  }

  private StepResult result(
      NDManager scratch,
      StepHeader header,
      List<SlotWork> slots,
      double[] losses,
      double busyMs,
      SlotDigests digests) {
    double norm =
        Failure.ofPart(
            "the sum of gradients of step " + header.step(), () -> reduced.norm(threads, scratch));
    boolean applied = Double.isFinite(norm);
    Scalars after = scalars.after(spec.compute().precision(), applied);
    long checksum =
        StepResult.checksum(
            reduced.checksum(applied, norm, after), stateChecksum((int) (header.step() % PARTS)));
    return new StepResult(
        header.step(), checksum, applied, norm, after, losses, busyMs, digests.all(slots));
  }

  // A bit that flips in a member's memory would go on into every gradient that it gives.
  private int stateChecksum(int part) {
    CRC32C crc = new CRC32C();
    for (int s = 0; s < state.layout().segments().size(); s++) {
      state.digest(s, part, PARTS, crc);
    }
    return (int) crc.getValue();
  }

  /** What is done of the step, where it goes on. */
  private StepWork workOn(StepHeader header, boolean goesOn) {
    if (!goesOn || work.filter(begun -> begun.step() == header.step()).isEmpty()) {
      forget();
      SummationTree tree = new SummationTree(header.slots(), emptySlots(header));
      work = Optional.of(new StepWork(header, tree, pool, manager.newSubManager()));
    }
    return work.get();
  }

  private void forget() {
    work.ifPresent(StepWork::close);
    work = Optional.empty();
  }

  private void logGoingOn(StepHeader header, List<SlotWork> slots, int members) {
    int others = 0;
    int left = 0;
    for (SlotWork slot : slots) {
      boolean isOwn = slot.batch().slot() >= ownFirst && slot.batch().slot() < ownEnd;
      others += isOwn ? 0 : slot.missingRows();
      left += isOwn ? slot.missingRows() : 0;
    }
    LOG.info(
        "step {} goes on with {} members: of its {} texts {} are encoded here that were others', and {} that were left; {} of {} slots' gradients are here",
        header.step(),
        members,
        header.queries() * (1 + header.groupSize()),
        others,
        left,
        slots.stream().filter(SlotWork::isFinished).count(),
        slots.size());
  }

  private SlotWork slotWork(SlotBatch batch) {
    int hidden = spec.encoder().hidden();
    return new SlotWork(batch, hidden, SlotLoss.denseWidth(spec), spec.heads());
  }

  private static BitSet emptySlots(StepHeader header) {
    BitSet empty = new BitSet();
    for (int slot = 0; slot < header.slots(); slot++) {
      empty.set(slot, header.isEmpty(slot));
    }
    return empty;
  }

  @Override
  public void apply(long step) {
    forget();
    Scalars before = scalars;
    scalars = computed.scalars();
    lessons.update(
        computed,
        () -> {
          if (computed.applied()) {
            update(computed, before, segment -> true);
          }
        });
  }

  private void update(StepResult outcome, Scalars before, IntPredicate segments) {
    double most = spec.optimizer().maxGradientNorm();
    double clip = most > 0 ? Math.min(1, most / (outcome.gradientNorm() + 1e-6)) : 1;
    long update = before.updates();
    double rate = spec.optimizer().rateAt(update, spec.steps());
    Failure.ofPart(
        "the update of step " + outcome.step(),
        () -> {
          try {
            optimizer.update(threads, segments, reduced.gradients(), rate, update + 1, clip);
          } finally {
            state.changed();
          }
          return outcome;
        });
  }

  @Override
  public Device.Lesson teach(int share, int shares) {
    return lessons.begin(share, shares);
  }

  @Override
  public Device.Snapshot snapshot(int share, int shares) {
    return lessons.snapshot(share, shares);
  }

  @Override
  public Device.Study study(int shares) {
    forget();
    return new StateStudy(
        state,
        reduced,
        shares,
        (outcome, before, segments) -> update(outcome, before, segments::get),
        (steps, with) -> {
          scalars = with;
          lessons.resume(steps, with);
        });
  }

  @Override
  public Scalars scalars() {
    return scalars;
  }

  /**
   * A parameter's reduced gradient of the step computed last, good until the next {@link #apply};
   * empty if it is frozen.
   */
  public Optional<float[]> gradient(String parameter) {
    List<Segment> segments = state.layout().segments();
    for (int s = 0; s < segments.size(); s++) {
      if (segments.get(s).tensor().name().equals(parameter)) {
        return Optional.ofNullable(reduced.gradients()[s]).map(NDArray::toFloatArray);
      }
    }
    throw new IllegalArgumentException("there is no parameter " + parameter);
  }

  @Override
  public void close() {
    lessons.close();
    gather.close();
    threads.close();
    forget();
    manager.close();
    staging.close();
    state.close();
    trace.close();
  }
}
