package org.dunlin.it.parity;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Locale;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.EncoderSpec;
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

  int batchesPerStep() {
    return json.path("batches_per_step").asInt();
  }

  double loss(int step) {
    return json.path("losses").path(step).asDouble();
  }

  double gradientNorm(int step) {
    return json.path("grad_norms_pre_clip").path(step).asDouble();
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

  /** Whether this build can run it; what is not named here needs a head or loss still to come. */
  boolean isSupported() {
    return json.path("world_size").asInt(json.path("args").path("world_size").asInt(1)) == 1
        && !train("unified_finetuning").asBoolean()
        && !train("fix_position_embedding").asBoolean()
        && !train("gradient_checkpointing").asBoolean()
        && train("gradient_accumulation_steps").asInt(1) == 1;
  }

  boolean inBatchNegatives() {
    return !json.path("no_in_batch_neg_flag").asBoolean();
  }

  /** Whether the teacher's scores are used. */
  boolean isTaught() {
    return data("knowledge_distillation").asBoolean();
  }

  private LossSpec.Distillation distillation() {
    return isTaught()
        ? LossSpec.Distillation.valueOf(
            train("kd_loss_type").asText("kl_div").toUpperCase(Locale.ROOT))
        : LossSpec.Distillation.NONE;
  }

  RunSpec runSpec(EncoderSpec encoder, int groupSize, int pairs, int slots) {
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
            data("pad_to_multiple_of").asInt(1));
    LossSpec loss =
        new LossSpec(
            LossSpec.Pooling.valueOf(
                train("sentence_pooling_method").asText().toUpperCase(Locale.ROOT)),
            train("normalize_embeddings").asBoolean(),
            train("temperature").asDouble(),
            false,
            distillation(),
            GoldenSet.stream(train("mrl_dims")).map(JsonNode::asInt).toList());
    OptimizerSpec optimizer =
        new OptimizerSpec(
            train("learning_rate").asDouble(),
            OptimizerSpec.Schedule.valueOf(
                train("lr_scheduler_type").asText().toUpperCase(Locale.ROOT)),
            train("warmup_steps").asLong(),
            train("weight_decay").asDouble(),
            train("adam_beta1").asDouble(0.9),
            train("adam_beta2").asDouble(0.999),
            train("adam_epsilon").asDouble(1e-8),
            train("max_grad_norm").asDouble());
    return new RunSpec(
        name(), 42, steps(), encoder.withDropout(0, 0), "", "", batch, loss, optimizer);
  }
}
