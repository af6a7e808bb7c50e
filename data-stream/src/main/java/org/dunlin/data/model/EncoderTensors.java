package org.dunlin.data.model;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;

/**
 * The parameters of a BERT or XLM-RoBERTa encoder under Hugging Face's names, without a prefix, and
 * of its heads.
 */
public final class EncoderTensors {
  /** The one table of which a batch touches only some rows. */
  public static final String WORD_EMBEDDINGS = "embeddings.word_embeddings.weight";

  private EncoderTensors() {}

  /** All of them in the one order that the compute scripts and the state's layout rely on. */
  public static List<Tensor> expected(EncoderSpec spec) {
    int h = spec.hidden();
    List<Tensor> all = new ArrayList<>();
    all.add(Tensor.of(WORD_EMBEDDINGS, spec.vocabulary(), h));
    all.add(Tensor.of("embeddings.position_embeddings.weight", spec.positions(), h));
    all.add(Tensor.of("embeddings.token_type_embeddings.weight", spec.tokenTypes(), h));
    norm(all, "embeddings.LayerNorm", h);
    for (int layer = 0; layer < spec.layers(); layer++) {
      String in = "encoder.layer." + layer + ".";
      linear(all, in + "attention.self.query", h, h);
      linear(all, in + "attention.self.key", h, h);
      linear(all, in + "attention.self.value", h, h);
      linear(all, in + "attention.output.dense", h, h);
      norm(all, in + "attention.output.LayerNorm", h);
      linear(all, in + "intermediate.dense", spec.feedForward(), h);
      linear(all, in + "output.dense", h, spec.feedForward());
      norm(all, in + "output.LayerNorm", h);
    }
    return List.copyOf(all);
  }

  /**
   * The same, then the multi-vector and the sparse head under FlagEmbedding's names where there are
   * any.
   */
  public static List<Tensor> expected(EncoderSpec spec, HeadSpec heads) {
    List<Tensor> all = new ArrayList<>(expected(spec));
    if (heads.unified()) {
      all.addAll(heads(spec.hidden(), heads.vectorWidth()));
    }
    return List.copyOf(all);
  }

  /** Whether a parameter belongs to the sparse or the multi-vector head. */
  public static boolean isOfHead(String name) {
    return name.startsWith(Heads.COLBERT + ".") || name.startsWith(Heads.SPARSE + ".");
  }

  /** Whether a parameter gets updates. */
  public static boolean isTrained(Frozen frozen, String name) {
    return switch (frozen) {
      case NOTHING -> true;
      case POSITIONS -> !name.contains("position_embeddings");
      case ENCODER -> isOfHead(name);
    };
  }

  /**
   * A reranker's own parameters, two linear layers with a tanh between them, in the order that the
   * compute scripts rely on, each with the name it is stored under.
   *
   * @param prefix of the encoder's stored names
   */
  static Map<Tensor, String> classifier(EncoderSpec spec, String prefix) {
    List<Tensor> all = new ArrayList<>();
    linear(all, "classifier.dense", spec.hidden(), spec.hidden());
    linear(all, "classifier.out_proj", 1, spec.hidden());
    Map<Tensor, String> stored = new LinkedHashMap<>();
    for (Tensor tensor : all) {
      String name = tensor.name();
      if (spec.family() == EncoderSpec.Family.BERT) {
        name = name.replace("classifier.dense", prefix + "pooler.dense");
        name = name.replace("classifier.out_proj", "classifier");
      }
      stored.put(tensor, name);
    }
    return stored;
  }

  static List<Tensor> heads(int hidden, int vectorWidth) {
    List<Tensor> all = new ArrayList<>();
    linear(all, Heads.COLBERT, vectorWidth, hidden);
    linear(all, Heads.SPARSE, 1, hidden);
    return List.copyOf(all);
  }

  private static void linear(List<Tensor> all, String name, int out, int in) {
    all.add(Tensor.of(name + ".weight", out, in));
    all.add(Tensor.of(name + ".bias", out));
  }

  private static void norm(List<Tensor> all, String name, int width) {
    all.add(Tensor.of(name + ".weight", width));
    all.add(Tensor.of(name + ".bias", width));
  }
}
