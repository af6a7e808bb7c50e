package org.dunlin.worker.loss;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntPredicate;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.LossSpec.Distillation;
import org.dunlin.protocol.run.RunSpec;

/**
 * The loss of a whole step and its gradients as the formulas are written: in double precision, one
 * pair of texts after the other, whole score matrices, no tiles.
 */
final class PlainLoss {
  private static final double NEARLY_EQUAL = 1e-6;

  /** Of no token vector is an element larger. */
  private static final double LARGEST = 4;

  private final RunSpec spec;
  private final StepHeader header;
  private final Embeddings queries;
  private final Embeddings passages;
  private final Places ofQuery;
  private final Places ofPassage;
  private double loss;
  private double ties;

  /** Gradients, laid out as embeddings are. */
  record Gradients(double[] dense, double[] weights, double[] vectors) {
    static Gradients zeros(Places places) {
      int rows = places.rows();
      return new Gradients(
          new double[places.dense(rows)],
          new double[places.lexical(rows)],
          new double[places.vectorFloat(rows)]);
    }
  }

  private final Gradients ofQueries;
  private final Gradients ofPassages;

  /**
   * @param queries all of the step
   * @param passages all of the step
   */
  PlainLoss(RunSpec spec, StepHeader header, Embeddings queries, Embeddings passages) {
    this.spec = spec;
    this.header = header;
    this.queries = queries;
    this.passages = passages;
    this.ofQuery = queries.places();
    this.ofPassage = passages.places();
    this.ofQueries = Gradients.zeros(ofQuery);
    this.ofPassages = Gradients.zeros(ofPassage);
    for (int query = 0; query < header.queries(); query++) {
      row(query);
    }
  }

  double loss() {
    return loss;
  }

  /**
   * What elements of the token vectors' gradients may be off by at most, because float32 may see
   * another one of two nearly equal products as the larger one.
   */
  double ties() {
    return ties;
  }

  Gradients ofQueries() {
    return ofQueries;
  }

  Gradients ofPassages() {
    return ofPassages;
  }

  /** One query's loss: its scores with all passages, what they lose, and the way back. */
  private void row(int query) {
    int pool = header.poolOf(query);
    int inPool = header.firstQueryOfPool()[pool + 1] - header.firstQueryOfPool()[pool];
    double share = 1.0 / header.pools() / inPool;
    IntPredicate seen = p -> meet(query, p) && isSeen(query, p);
    List<double[]> scores = scores(query);
    List<double[]> upstream = new ArrayList<>();
    scores.forEach(s -> upstream.add(new double[s.length]));
    if (spec.heads().unified()) {
      double[] ensemble =
          IntStream.range(0, header.passages())
              .mapToDouble(p -> scores.get(0)[p] + 0.3 * scores.get(1)[p] + scores.get(2)[p])
              .toArray();
      double[] ofEnsemble = new double[ensemble.length];
      boolean taught = forward(pool) > spec.loss().selfDistillStart();
      double half = taught ? share / 2 : share;
      double[] weights = {1, 0.1, 1};
      headLoss(query, ensemble, seen, half / 4, ofEnsemble);
      double[] aims = softmax(ensemble, seen);
      for (int head = 0; head < 3; head++) {
        headLoss(query, scores.get(head), seen, half / 4 * weights[head], upstream.get(head));
        if (taught) {
          cross(scores.get(head), seen, aims, half / 3 * weights[head], upstream.get(head));
        }
      }
      for (int p = 0; p < ofEnsemble.length; p++) {
        upstream.get(0)[p] += ofEnsemble[p];
        upstream.get(1)[p] += 0.3 * ofEnsemble[p];
        upstream.get(2)[p] += ofEnsemble[p];
      }
    } else {
      for (int view = 0; view < scores.size(); view++) {
        headLoss(query, scores.get(view), seen, share / scores.size(), upstream.get(view));
      }
    }
    back(query, upstream);
  }

  private long forward(int pool) {
    return header.step() * spec.batch().pools() + pool;
  }

  private boolean isSeen(int query, int passage) {
    int own = query * header.groupSize();
    boolean ofGroup = passage / header.groupSize() == query;
    boolean stays = ofGroup && (passage == own || header.teacherScores().length > 0);
    return stays
        || !spec.loss().maskDuplicates()
        || header.passageHashes()[passage] != header.passageHashes()[own];
  }

  /** The contrastive loss of a row, with the teacher's part. */
  private void headLoss(int query, double[] s, IntPredicate seen, double weight, double[] d) {
    int group = header.groupSize();
    int own = query * group;
    double[] teacher = new double[s.length];
    Distillation how =
        header.teacherScores().length > 0 ? spec.loss().distillation() : Distillation.NONE;
    for (int i = 0; i < group && how != Distillation.NONE; i++) {
      teacher[own + i] = header.teacherScores()[own + i];
    }
    IntPredicate ofGroup = p -> p / group == query;
    double[] aims = softmax(teacher, ofGroup);
    if (how == Distillation.M3_KD_LOSS) {
      for (int i = 0; i < group; i++) {
        int removed = i;
        IntPredicate left = p -> seen.test(p) && !(ofGroup.test(p) && p < own + removed);
        cross(s, left, only(own + i, s.length), weight * aims[own + i], d);
      }
      return;
    }
    cross(s, seen, only(own, s.length), weight, d);
    if (how == Distillation.KL_DIV) {
      cross(s, ofGroup, aims, weight, d);
    }
  }

  private static double[] only(int place, int length) {
    double[] aims = new double[length];
    aims[place] = 1;
    return aims;
  }

  /** Adds the cross entropy of the seen scores' softmax with given aims, and its gradient. */
  private void cross(double[] s, IntPredicate seen, double[] aims, double weight, double[] d) {
    double[] soft = softmax(s, seen);
    for (int p = 0; p < s.length; p++) {
      if (seen.test(p)) {
        loss -= aims[p] == 0 ? 0 : weight * aims[p] * Math.log(soft[p]);
        d[p] += weight * (soft[p] - aims[p]);
      }
    }
  }

  private static double[] softmax(double[] s, IntPredicate seen) {
    double most =
        IntStream.range(0, s.length).filter(seen).mapToDouble(p -> s[p]).max().orElseThrow();
    double[] e =
        IntStream.range(0, s.length)
            .mapToDouble(p -> seen.test(p) ? Math.exp(s[p] - most) : 0)
            .toArray();
    double sum = Arrays.stream(e).sum();
    return Arrays.stream(e).map(value -> value / sum).toArray();
  }

  /** By view of a head: [passages]. */
  private List<double[]> scores(int query) {
    List<double[]> scores = new ArrayList<>();
    int[] bounds = views();
    for (int v = 0; v + 1 < bounds.length; v++) {
      int from = bounds[v];
      int to = bounds[v + 1];
      scores.add(each(query, p -> dense(query, p, from, to)));
    }
    if (spec.heads().unified()) {
      scores.add(each(query, p -> lexical(query, p)));
      scores.add(each(query, p -> maxSim(query, p, 0)));
    }
    return scores;
  }

  private double[] each(int query, IntToDoubleFunction score) {
    return IntStream.range(0, header.passages())
        .mapToDouble(
            p -> meet(query, p) ? score.applyAsDouble(p) / spec.loss().temperature() : Double.NaN)
        .toArray();
  }

  /** Whether any loss sees this score. */
  private boolean meet(int query, int passage) {
    int other = passage / header.groupSize();
    return header.inBatchNegatives()
        ? header.poolOf(other) == header.poolOf(query)
        : other == query;
  }

  private int[] views() {
    List<Integer> widths = spec.loss().matryoshkaDims();
    if (widths.isEmpty()) {
      return new int[] {0, spec.encoder().hidden()};
    }
    int[] bounds = new int[widths.size() + 1];
    for (int v = 0; v < widths.size(); v++) {
      bounds[v + 1] = bounds[v] + widths.get(v);
    }
    return bounds;
  }

  private double dense(int query, int passage, int from, int to) {
    int width = to - from;
    return dot(
        queries.dense(), ofQuery.dense(query) + from, passages.dense(), at(passage, from), width);
  }

  private int at(int passage, int from) {
    return ofPassage.dense(passage) + from;
  }

  private double lexical(int query, int passage) {
    double sum = 0;
    for (int t = ofQuery.lexical(query); t < ofQuery.lexical(query + 1); t++) {
      for (int u = ofPassage.lexical(passage); u < ofPassage.lexical(passage + 1); u++) {
        if (isShared(t, u)) {
          sum += (double) queries.weights().get(t) * passages.weights().get(u);
        }
      }
    }
    return sum;
  }

  private boolean isShared(int t, int u) {
    return queries.ids().get(t) >= 0 && queries.ids().get(t) == passages.ids().get(u);
  }

  /** Max-sim; where upstream is not 0 its gradients are added too. */
  private double maxSim(int query, int passage, double upstream) {
    int wide = ofQuery.vectorWidth();
    int count = Math.max(1, ofQuery.vectors(query));
    double sum = 0;
    for (int i = 0; i < ofQuery.vectors(query); i++) {
      int q = ofQuery.vectorFloat(query) + i * wide;
      int best = -1;
      double second = Double.NEGATIVE_INFINITY;
      double most = offersZero(passage) ? 0 : Double.NEGATIVE_INFINITY;
      for (int j = 0; j < ofPassage.vectors(passage); j++) {
        int p = ofPassage.vectorFloat(passage) + j * wide;
        double product = dot(queries.vectors(), q, passages.vectors(), p, wide);
        second = Math.max(second, Math.min(product, most));
        if (product > most) {
          most = product;
          best = p;
        }
      }
      if (most - second < NEARLY_EQUAL) {
        ties += Math.abs(upstream) / count * LARGEST;
      }
      sum += most / count;
      for (int w = 0; w < wide && best >= 0 && upstream != 0; w++) {
        ofQueries.vectors[q + w] += upstream / count * passages.vectors().get(best + w);
        ofPassages.vectors[best + w] += upstream / count * queries.vectors().get(q + w);
      }
    }
    return sum;
  }

  /** A passage without vectors, or one that is padded where padding counts. */
  private boolean offersZero(int passage) {
    if (!spec.loss().padsInMaxSim() || ofPassage.vectors(passage) == 0) {
      return ofPassage.vectors(passage) == 0;
    }
    int pool = header.poolOf(passage / header.groupSize());
    int first = header.firstQueryOfPool()[pool] * header.groupSize();
    int end = header.firstQueryOfPool()[pool + 1] * header.groupSize();
    int longest = IntStream.range(first, end).map(ofPassage::tokens).max().orElseThrow();
    int multiple = spec.batch().padMultiple();
    return ofPassage.tokens(passage) < Math.ceilDiv(longest, multiple) * multiple;
  }

  private static double dot(FloatBuffer left, int l, FloatBuffer right, int r, int width) {
    double sum = 0;
    for (int w = 0; w < width; w++) {
      sum += (double) left.get(l + w) * right.get(r + w);
    }
    return sum;
  }

  private void back(int query, List<double[]> upstream) {
    int[] bounds = views();
    for (int passage = 0; passage < header.passages(); passage++) {
      if (!meet(query, passage)) {
        continue;
      }
      for (int v = 0; v + 1 < bounds.length; v++) {
        double d = upstream.get(v)[passage] / spec.loss().temperature();
        for (int w = bounds[v]; w < bounds[v + 1]; w++) {
          int q = ofQuery.dense(query) + w;
          int p = ofPassage.dense(passage) + w;
          ofQueries.dense[q] += d * passages.dense().get(p);
          ofPassages.dense[p] += d * queries.dense().get(q);
        }
      }
      if (spec.heads().unified()) {
        lexicalBack(query, passage, upstream.get(1)[passage] / spec.loss().temperature());
        maxSim(query, passage, upstream.get(2)[passage] / spec.loss().temperature());
      }
    }
  }

  private void lexicalBack(int query, int passage, double d) {
    for (int t = ofQuery.lexical(query); t < ofQuery.lexical(query + 1); t++) {
      for (int u = ofPassage.lexical(passage); u < ofPassage.lexical(passage + 1); u++) {
        if (isShared(t, u)) {
          ofQueries.weights[t] += d * passages.weights().get(u);
          ofPassages.weights[u] += d * queries.weights().get(t);
        }
      }
    }
  }
}
