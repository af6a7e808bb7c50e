package org.dunlin.worker.loss;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.engine.Module;
import org.dunlin.worker.engine.Torch;

/**
 * The loss of one slot's queries, and its gradients: contrastive, with distillation, unified and
 * self-distilled as the run says (the reference's section 5).
 *
 * <p>Row by row it is the loss of the whole batch: a query meets all passages of its pool, whoever
 * embedded them. A tile of queries at a time is scored by every head, in products of fixed bounds.
 */
public final class SlotLoss {
  private final RunSpec spec;
  private final NDArray scale;
  private final long[] views;
  private final Optional<ScoreWatch> watch;

  /**
   * A slot's part.
   *
   * @param loss its share of the mean
   * @param passages gradients of all passages of the step
   */
  public record Part(double loss, PassageGradients passages) {}

  /**
   * All passages of the step.
   *
   * @param embeddings in direct memory
   * @param dense the same memory as [passages, width]
   * @param vectors the same memory as [vectors, width]; empty with the dense embedding alone
   */
  public record Passages(Embeddings embeddings, NDArray dense, Optional<NDArray> vectors) {}

  public SlotLoss(NDManager manager, RunSpec spec, Optional<ScoreWatch> watch) {
    this.spec = spec;
    this.watch = watch;
    this.scale = manager.create(new double[] {spec.loss().temperature()});
    List<Integer> widths = spec.loss().matryoshkaDims();
    this.views = new long[widths.isEmpty() ? 2 : widths.size() + 1];
    views[1] = spec.encoder().hidden();
    for (int v = 0; v < widths.size(); v++) {
      views[v + 1] = views[v] + widths.get(v);
    }
  }

  /** Floats of a dense embedding: its matryoshka widths lie side by side. */
  public static int denseWidth(RunSpec spec) {
    List<Integer> widths = spec.loss().matryoshkaDims();
    return widths.isEmpty()
        ? spec.encoder().hidden()
        : widths.stream().mapToInt(Integer::intValue).sum();
  }

  /**
   * Computes a slot's part. The calling thread may be one of several.
   *
   * @param manager owns the result
   * @param queries of the slot
   * @param ofQueries zeros, which become the queries' gradients
   */
  public Part of(
      Module module,
      NDManager manager,
      StepHeader header,
      SlotBatch batch,
      Embeddings queries,
      Passages passages,
      Embeddings ofQueries) {
    PassageGradients sum = PassageGradients.zeros(manager, passages.embeddings().places());
    double loss = 0;
    Torch.recordGraph(false);
    try (NDManager slot = manager.newSubManager()) {
      Optional<NDArray> ofVectors = vectors(slot, ofQueries);
      List<Scorer> scorers = scorers(slot, header, queries, passages, ofQueries, ofVectors, sum);
      for (Tile tile : Tile.of(header, batch)) {
        loss += tile(module, slot, header, batch, tile, scorers);
      }
      ofVectors.ifPresent(
          array ->
              ofQueries.vectors().put(0, Torch.floats(array), 0, ofQueries.vectors().capacity()));
    } finally {
      Torch.recordGraph(true);
    }
    return new Part(loss, sum);
  }

  private static Optional<NDArray> vectors(NDManager manager, Embeddings texts) {
    Places places = texts.places();
    return places.unified()
        ? Optional.of(
            manager.create(
                texts.vectors().duplicate(),
                new Shape(places.vector(places.rows()), places.vectorWidth())))
        : Optional.empty();
  }

  private List<Scorer> scorers(
      NDManager slot,
      StepHeader header,
      Embeddings queries,
      Passages passages,
      Embeddings ofQueries,
      Optional<NDArray> ofVectors,
      PassageGradients sum) {
    List<Scorer> scorers = new ArrayList<>();
    scorers.add(new DenseScorer(scale, views, queries, passages.dense(), ofQueries, sum.dense()));
    if (ofVectors.isPresent()) {
      scorers.add(
          new LexicalScorer(
              scale,
              spec.encoder().vocabulary(),
              queries,
              passages.embeddings(),
              ofQueries,
              Torch.floats(sum.heads().get(0))));
      scorers.add(
          new VectorScorer(
              scale,
              queries,
              vectors(slot, queries).orElseThrow(),
              passages.embeddings().places(),
              passages.vectors().orElseThrow(),
              floors(header),
              ofVectors.get(),
              sum.heads().get(1)));
    }
    return scorers;
  }

  /** Which passages offer similarity 0: those without a vector, and, if asked, the padded ones. */
  private long[] floors(StepHeader header) {
    long[] floors = new long[header.passages()];
    int group = header.groupSize();
    int multiple = spec.batch().padMultiple();
    for (int pool = 0; pool < header.pools(); pool++) {
      int first = header.firstQueryOfPool()[pool] * group;
      int end = header.firstQueryOfPool()[pool + 1] * group;
      int longest = Arrays.stream(header.passageTokens(), first, end).max().orElseThrow();
      int padded = (longest + multiple - 1) / multiple * multiple;
      for (int p = first; p < end; p++) {
        int tokens = header.passageTokens()[p];
        boolean pads = spec.loss().padsInMaxSim() && tokens < padded;
        floors[p] = pads || tokens < 2 ? 1 : 0;
      }
    }
    return floors;
  }

  private double tile(
      Module module,
      NDManager slot,
      StepHeader header,
      SlotBatch batch,
      Tile tile,
      List<Scorer> scorers) {
    try (NDManager scope = slot.newSubManager()) {
      List<NDArray> scores = new ArrayList<>();
      int[] firstOf = new int[scorers.size() + 1];
      for (int s = 0; s < scorers.size(); s++) {
        scores.addAll(scorers.get(s).scores(module, scope, tile));
        firstOf[s + 1] = scores.size();
      }
      watch.ifPresent(w -> show(w, batch, tile, scores));
      Torch.recordGraph(true);
      NDList out = module.run("loss_rows", scope, arguments(scope, header, batch, tile, scores));
      Torch.recordGraph(false);
      for (int s = 0; s < scorers.size(); s++) {
        List<NDArray> upstream = out.subList(1 + firstOf[s], 1 + firstOf[s + 1]);
        scorers.get(s).gradients(module, scope, tile, upstream);
      }
      return out.get(0).getDouble();
    }
  }

  private NDArray[] arguments(
      NDManager scope, StepHeader header, SlotBatch batch, Tile tile, List<NDArray> scores) {
    int group = header.groupSize();
    int firstQuery = batch.firstQuery() + tile.firstRow();
    boolean teaches = header.teacherScores().length > 0;
    long forward = header.step() * spec.batch().pools() + tile.pool();
    int inPool =
        header.firstQueryOfPool()[tile.pool() + 1] - header.firstQueryOfPool()[tile.pool()];
    NDArray[] arguments = new NDArray[5 + scores.size()];
    arguments[0] =
        scope.create(
            new long[] {
              teaches ? code(spec.loss().distillation()) : 0,
              spec.heads().unified() ? 1 : 0,
              forward > spec.loss().selfDistillStart() ? 1 : 0,
              group,
              header.inBatchNegatives() ? 0 : 1
            });
    arguments[1] = scope.create(new double[] {1.0 / ((double) header.pools() * inPool)});
    arguments[2] =
        scope.create(
            LongStream.range(firstQuery, firstQuery + tile.rows())
                .map(query -> query * group - tile.firstPassage())
                .toArray());
    arguments[3] =
        teaches
            ? scope.create(
                Arrays.copyOfRange(
                    header.teacherScores(), firstQuery * group, (firstQuery + tile.rows()) * group),
                new Shape(tile.rows(), group))
            : scope.zeros(new Shape(0, group));
    long[] hashes =
        spec.loss().maskDuplicates()
            ? Arrays.copyOfRange(header.passageHashes(), tile.firstPassage(), tile.endPassage())
            : new long[0];
    arguments[4] = scope.create(hashes, new Shape(hashes.length));
    for (int i = 0; i < scores.size(); i++) {
      arguments[5 + i] = Module.list("scores", scores.get(i));
    }
    return arguments;
  }

  private static int code(LossSpec.Distillation distillation) {
    return switch (distillation) {
      case NONE -> 0;
      case KL_DIV -> 1;
      case M3_KD_LOSS -> 2;
    };
  }

  private static void show(ScoreWatch watch, SlotBatch batch, Tile tile, List<NDArray> scores) {
    for (int head = 0; head < scores.size(); head++) {
      float[] flat = scores.get(head).toFloatArray();
      float[][] rows = new float[tile.rows()][];
      for (int r = 0; r < rows.length; r++) {
        rows[r] = Arrays.copyOfRange(flat, r * tile.passages(), (r + 1) * tile.passages());
      }
      watch.scores(head, batch.firstQuery() + tile.firstRow(), tile.firstPassage(), rows);
    }
  }
}
