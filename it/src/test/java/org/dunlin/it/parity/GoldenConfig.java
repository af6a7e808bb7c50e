package org.dunlin.it.parity;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.OptimizerSpec;
import org.dunlin.protocol.run.RunSpec;

/** One recorded configuration: the reference's arguments and what came of them. */
record GoldenConfig(JsonNode json) {

  String name() {
    return json.path("name").asText();
  }

  int steps() {
    return json.path("steps").asInt();
  }

  /** Whose numbers a correct system reproduces: for distributed ones, one process's. */
  GoldenConfig exact(GoldenSet set) {
    JsonNode reference = json.path("exact_reference");
    return reference.isTextual() ? set.config(reference.asText()) : this;
  }

  /** How many members compute it. */
  int members() {
    return json.path("args").path("world_size").asInt(1);
  }

  /** Batches that a step sums the gradients of, each with its own negatives. */
  int pools() {
    boolean apart = members() > 1 && !train("negatives_cross_device").asBoolean();
    return train("gradient_accumulation_steps").asInt(1) * (apart ? members() : 1);
  }

  /** Explicit batches of a step. */
  int batchesPerStep() {
    int accumulated = train("gradient_accumulation_steps").asInt(1);
    return json.path("batches_per_step").asInt() * accumulated * members();
  }

  /** The loss of a pool of a step, or with one pool of the step. */
  double loss(int step, int pool) {
    JsonNode ranks = json.path("per_rank");
    if (pools() > 1 && members() > 1) {
      return ranks.path(pool).path("losses").path(step).asDouble();
    }
    return json.path("losses").path(step * pools() + pool).asDouble();
  }

  double gradientNorm(int step) {
    return json.path("grad_norms_pre_clip").path(step).asDouble();
  }

  /** Score matrices of step 0 by head: dense, sparse, colbert, ensemble. */
  JsonNode scores(GoldenSet set) {
    JsonNode same = json.path("scores_step0_same_as");
    return same.isTextual() ? set.config(same.asText()).scores(set) : json.path("scores_step0");
  }

  boolean unified() {
    return train("unified_finetuning").asBoolean();
  }

  boolean distils() {
    return data("knowledge_distillation").asBoolean();
  }

  boolean inBatchNegatives() {
    return !json.path("no_in_batch_neg_flag").asBoolean();
  }

  boolean recomputes() {
    return train("gradient_checkpointing").asBoolean();
  }

  int padMultiple() {
    return data("pad_to_multiple_of").asInt(1);
  }

  /** The folder with the heads, in the set's. */
  String headsFrom() {
    return json.path("heads_from").asText("model/");
  }

  OptionalInt colbertDim() {
    int dim = json.path("args").path("model").path("colbert_dim").asInt(-1);
    return dim > 0 ? OptionalInt.of(dim) : OptionalInt.empty();
  }

  /** Its file of final weights or of gradients of step 0, if there is one. */
  Optional<String> weightsFile() {
    return Optional.ofNullable(json.path("weights_file").textValue());
  }

  /** Suggested tolerance, or ten times the reference's own noise where that is near it. */
  double tolerance(double suggested, String noise) {
    return Math.max(suggested, 10 * json.path("noise_fp32_vs_fp64").path(noise).asDouble());
  }

  /** Per parameter: L2 of the step-0 gradient, of the final value, of (final - initial). */
  JsonNode tensors() {
    return json.path("tensors").path("rows");
  }

  private JsonNode train(String argument) {
    return json.path("args").path("train").path(argument);
  }

  private JsonNode data(String argument) {
    return json.path("args").path("data").path(argument);
  }

  /** Rows of a micro-batch. */
  int rowsPerMicroBatch(int otherwise) {
    return train("sub_batch_size").asInt(data("sub_batch_size").asInt(otherwise));
  }

  RunSpec runSpec(EncoderSpec encoder, HeadSpec heads, int groupSize, int pairs, int slots) {
    BatchSpec batch =
        new BatchSpec(
            pairs,
            0,
            groupSize,
            slots,
            1 << 20,
            1,
            data("query_max_len").asInt(),
            data("passage_max_len").asInt(),
            padMultiple(),
            pools(),
            0,
            List.of());
    LossSpec loss =
        new LossSpec(
            LossSpec.Pooling.valueOf(
                train("sentence_pooling_method").asText("cls").toUpperCase(Locale.ROOT)),
            train("normalize_embeddings").asBoolean(true),
            train("temperature").asDouble(),
            false,
            distillation(),
            train("use_self_distill").asBoolean()
                ? train("self_distill_start_step").asLong(-1)
                : LossSpec.NEVER,
            matryoshkaDims(),
            true);
    OptimizerSpec optimizer =
        new OptimizerSpec(
            train("learning_rate").asDouble(),
            OptimizerSpec.Schedule.valueOf(
                train("lr_scheduler_type").asText("linear").toUpperCase(Locale.ROOT)),
            warmupSteps(),
            train("weight_decay").asDouble(),
            train("adam_beta1").asDouble(0.9),
            train("adam_beta2").asDouble(0.999),
            train("adam_epsilon").asDouble(1e-8),
            train("max_grad_norm").asDouble(1),
            frozen());
    return new RunSpec(
        name(),
        42,
        steps(),
        encoder.withDropout(0, 0),
        heads,
        "",
        "",
        DataSpec.PLAIN,
        batch,
        loss,
        optimizer,
        ComputeSpec.PLAIN);
  }

  private LossSpec.Distillation distillation() {
    return distils()
        ? LossSpec.Distillation.valueOf(
            train("kd_loss_type").asText("kl_div").toUpperCase(Locale.ROOT))
        : LossSpec.Distillation.NONE;
  }

  private List<Integer> matryoshkaDims() {
    return train("use_mrl").asBoolean()
        ? GoldenSet.stream(train("mrl_dims")).map(JsonNode::asInt).toList()
        : List.of();
  }

  private long warmupSteps() {
    long steps = train("warmup_steps").asLong();
    return steps > 0 ? steps : (long) Math.ceil(steps() * train("warmup_ratio").asDouble());
  }

  private OptimizerSpec.Frozen frozen() {
    if (train("fix_encoder").asBoolean()) {
      return OptimizerSpec.Frozen.ENCODER;
    }
    return train("fix_position_embedding").asBoolean()
        ? OptimizerSpec.Frozen.POSITIONS
        : OptimizerSpec.Frozen.NOTHING;
  }
}
