package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.worker.engine.Module;
import org.dunlin.worker.engine.Torch;
import org.dunlin.worker.loss.Embeddings;
import org.dunlin.worker.loss.Places;

/**
 * One own slot on its way through a step: what its micro-batches gave, and what they must give
 * back. What is done stays done when the step is broken off: it goes on from there with {@link
 * #resume}.
 */
final class SlotWork {
  /**
   * A micro-batch whose backward pass needs no second encoding.
   *
   * @param owner of the arrays, and of nothing else
   * @param bytes by estimate
   */
  record Kept(NDManager owner, MicroBatch micro, Encoder.Encoded encoded, long bytes)
      implements AutoCloseable {
    @Override
    public void close() {
      encoded.close();
      micro.close();
      owner.close();
    }
  }

  private final SlotBatch batch;
  private final int hidden;
  private final LexicalIds lexicalIds;
  private final Kept[] kept;
  private final Embeddings embeddings;
  private Embeddings upstream;
  private Turns turns = new Turns();
  private final BitSet embedded = new BitSet();
  private Runnable whenEmbedded = () -> {};
  private TouchedRows touched;
  private GradientBlock gradients;
  private boolean adding;
  private boolean finished;

  SlotWork(SlotBatch batch, int hidden, int denseWidth, HeadSpec heads) {
    this.batch = batch;
    this.hidden = hidden;
    this.lexicalIds = new LexicalIds(heads.silentIds());
    this.kept = new Kept[batch.microBatches().length];
    int[] tokens = Arrays.stream(batch.tokenIds()).mapToInt(ids -> ids.length).toArray();
    Places places = Places.of(denseWidth, heads, tokens.length, tokens);
    this.embeddings = Embeddings.allocate(places);
    this.upstream = Embeddings.allocate(places);
  }

  SlotBatch batch() {
    return batch;
  }

  int microBatches() {
    return kept.length;
  }

  /**
   * What a micro-batch costs, in a measure that grows as its time does: an encoder's products take
   * 24 times the square of its width a token and layer, its attention 4 times width and length.
   */
  long effort(int number) {
    long length = batch.paddedTokens(number);
    return batch.microBatches()[number].length * length * (6L * hidden + length);
  }

  /** A micro-batch, for people. */
  String words(int number) {
    return "a micro-batch of %d tokens"
        .formatted(batch.microBatches()[number].length * batch.paddedTokens(number));
  }

  void keep(int number, Kept what) {
    kept[number] = what;
  }

  /** What was kept of a micro-batch; it is forgotten here. */
  Optional<Kept> takeKept(int number) {
    Optional<Kept> found = Optional.ofNullable(kept[number]);
    kept[number] = null;
    return found;
  }

  /** Closes all that was kept. */
  void forget() {
    for (int number = 0; number < kept.length; number++) {
      takeKept(number).ifPresent(Kept::close);
    }
  }

  /** What the graphs that are kept take, by estimate. */
  long keptBytes() {
    return Arrays.stream(kept).filter(Objects::nonNull).mapToLong(Kept::bytes).sum();
  }

  /** Makes ready for another pass after one that was broken off, once all its threads are done. */
  void resume() {
    upstream = Embeddings.allocate(upstream.places());
    whenEmbedded = () -> {};
    resumeBackward();
  }

  /** The same of the backward pass alone; only of what may be half added all is done again. */
  void resumeBackward() {
    if (adding || (turns.next() == kept.length && !finished)) {
      turns = new Turns();
      touched().ifPresent(rows -> rows.values().close());
      touched = null;
      adding = false;
    }
    turns.resume();
  }

  /** Forgets the gradient, which must be found anew; its block belongs to somebody else. */
  void beginBackwardAnew() {
    turns = new Turns();
    touched().ifPresent(rows -> rows.values().close());
    touched = null;
    gradients = null;
    adding = false;
    finished = false;
  }

  /**
   * What is to be done when all rows are embedded, once: now, if they are. Before the first {@link
   * #embedded}.
   */
  void whenEmbedded(Runnable action) {
    whenEmbedded = action;
    runIfEmbedded();
  }

  boolean isEmbedded(int number) {
    synchronized (embedded) {
      return embedded.get(number);
    }
  }

  /** Whether any of it is embedded. */
  boolean isBegun() {
    synchronized (embedded) {
      return !embedded.isEmpty();
    }
  }

  /** Rows that are not embedded. */
  int missingRows() {
    int missing = 0;
    for (int number = 0; number < kept.length; number++) {
      missing += isEmbedded(number) ? 0 : batch.microBatches()[number].length;
    }
    return missing;
  }

  /** Copies a micro-batch's embeddings out. By several threads, of other micro-batches. */
  void embedded(int number, MicroBatch micro, List<NDArray> out) {
    copy(micro, out);
    synchronized (embedded) {
      embedded.set(number);
      runIfEmbedded();
    }
  }

  private void runIfEmbedded() {
    synchronized (embedded) {
      if (embedded.cardinality() == kept.length) {
        whenEmbedded.run();
        whenEmbedded = () -> {};
      }
    }
  }

  private void copy(MicroBatch micro, List<NDArray> out) {
    Places places = embeddings.places();
    int width = places.denseWidth();
    FloatBuffer dense = Torch.floats(out.get(0));
    for (int r = 0; r < micro.rows().length; r++) {
      embeddings.dense().put(places.dense(micro.rows()[r]), dense, r * width, width);
    }
    if (!places.unified()) {
      return;
    }
    FloatBuffer weights = Torch.floats(out.get(1));
    FloatBuffer vectors = Torch.floats(out.get(2));
    for (int r = 0; r < micro.rows().length; r++) {
      int row = micro.rows()[r];
      float[] own = new float[places.tokens(row)];
      weights.get(r * micro.tokens(), own);
      embeddings.ids().put(places.lexical(row), lexicalIds.speakers(batch.tokenIds()[row], own));
      embeddings.weights().put(places.lexical(row), own);
      int from = r * (micro.tokens() - 1) * places.vectorWidth();
      int floats = places.vectors(row) * places.vectorWidth();
      embeddings.vectors().put(places.vectorFloat(row), vectors, from, floats);
    }
  }

  /** What its texts' encodings gave. */
  Embeddings embeddings() {
    return embeddings;
  }

  /** The gradients of its own embeddings. */
  Embeddings upstream() {
    return upstream;
  }

  /** The slot's queries. */
  Embeddings queries() {
    return embeddings.from(0, batch.queries());
  }

  /** The slot's passages. */
  Embeddings passages() {
    return embeddings.from(batch.queries(), batch.tokenIds().length);
  }

  /** Where the loss's gradients with respect to the own queries go. */
  Embeddings ofQueries() {
    return upstream.from(0, batch.queries());
  }

  /** Where the loss's gradients with respect to the own passages go. */
  Embeddings ofPassages() {
    return upstream.from(batch.queries(), batch.tokenIds().length);
  }

  /**
   * The upstream gradients of a micro-batch, shaped as what it gave.
   *
   * @param scale what they are multiplied with
   */
  List<NDArray> upstream(NDManager manager, MicroBatch micro, double scale) {
    Places places = upstream.places();
    int n = micro.rows().length;
    int width = places.denseWidth();
    FloatBuffer dense = FloatBuffer.allocate(n * width);
    for (int r = 0; r < n; r++) {
      dense.put(r * width, upstream.dense(), places.dense(micro.rows()[r]), width);
    }
    List<NDArray> shaped = new ArrayList<>();
    shaped.add(manager.create(scaled(dense, scale), new Shape(n, width)));
    if (places.unified()) {
      int wide = places.vectorWidth();
      FloatBuffer weights = FloatBuffer.allocate(n * micro.tokens());
      FloatBuffer vectors = FloatBuffer.allocate(n * (micro.tokens() - 1) * wide);
      for (int r = 0; r < n; r++) {
        int row = micro.rows()[r];
        weights.put(
            r * micro.tokens(), upstream.weights(), places.lexical(row), places.tokens(row));
        vectors.put(
            r * (micro.tokens() - 1) * wide,
            upstream.vectors(),
            places.vectorFloat(row),
            places.vectors(row) * wide);
      }
      shaped.add(manager.create(scaled(weights, scale), new Shape(n, micro.tokens())));
      shaped.add(manager.create(scaled(vectors, scale), new Shape(n, micro.tokens() - 1, wide)));
    }
    return shaped;
  }

  private static FloatBuffer scaled(FloatBuffer values, double scale) {
    for (int i = 0; scale != 1 && i < values.capacity(); i++) {
      values.put(i, (float) (values.get(i) * scale));
    }
    return values;
  }

  Turns turns() {
    return turns;
  }

  /** How many micro-batches' gradients are in the slot's. */
  int summed() {
    return turns.next();
  }

  /** Adds a micro-batch's gradients to the slot's; in the micro-batches' order. */
  void accumulate(
      Module module,
      NDManager manager,
      int number,
      MicroBatch micro,
      NDList found,
      GradientBlock block) {
    adding = true;
    gradients = block;
    int weights = block.size();
    try (NDManager scope = manager.newSubManager()) {
      NDArray first = scope.create(number == 0 ? 1L : 0L);
      NDArray[] arguments = new NDArray[1 + 2 * weights];
      arguments[0] = first;
      for (int i = 0; i < weights; i++) {
        arguments[1 + i] = Module.list("found", found.get(i));
        arguments[1 + weights + i] = block.array(i);
      }
      module.run("accumulate", scope, arguments);
      if (found.size() > weights) {
        if (number == 0) {
          touched = TouchedRows.of(manager, batch, hidden);
        }
        module.run(
            "accumulate_rows",
            scope,
            first,
            found.get(weights),
            scope.create(TouchedRows.real(batch, micro)),
            scope.create(touched.into(batch, micro)),
            touched.values());
      }
    }
    adding = false;
  }

  /** Where the slot's gradient is being summed, if anywhere. */
  Optional<GradientBlock> gradients() {
    return Optional.ofNullable(gradients);
  }

  /** The gradient is whole, and in somebody else's hands. */
  void finish() {
    finished = true;
    gradients = null;
    touched = null;
  }

  boolean isFinished() {
    return finished;
  }

  /** The word embedding's rows, unless it is frozen. */
  Optional<TouchedRows> touched() {
    return Optional.ofNullable(touched);
  }
}
