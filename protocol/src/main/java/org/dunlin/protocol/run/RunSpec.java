package org.dunlin.protocol.run;

/**
 * One training job: everything that decides its bits.
 *
 * @param name of the run, for people
 * @param seed of shuffles, negatives and dropout
 * @param steps optimiser updates of the whole run
 * @param encoder the architecture
 * @param heads what is embedded beside the dense embedding
 * @param weightsSha256 of the initial weights, hexadecimal
 * @param dataSha256 of the training data, hexadecimal
 * @param data how files become sources and rows become texts
 * @param batch how samples become batches
 * @param loss how embeddings become a loss
 * @param optimizer how gradients become updates
 * @param compute how the encoder's passes are computed
 */
public record RunSpec(
    String name,
    long seed,
    long steps,
    EncoderSpec encoder,
    HeadSpec heads,
    String weightsSha256,
    String dataSha256,
    DataSpec data,
    BatchSpec batch,
    LossSpec loss,
    OptimizerSpec optimizer,
    ComputeSpec compute) {

  public RunSpec {
    Check.atLeast("train.steps", steps, 1);
    int most = encoder.maxTokens();
    Check.within("data.query-max-tokens", batch.queryMaxTokens(), 2, most);
    Check.within("data.passage-max-tokens", batch.passageMaxTokens(), 2, most);
    for (int width : loss.matryoshkaDims()) {
      Check.within("loss.mrl-dims", width, 1, encoder.hidden());
    }
    if (heads.unified()) {
      refuse(!loss.matryoshkaDims().isEmpty(), "loss.mrl-dims with unified fine-tuning");
    } else {
      refuse(loss.selfDistillStart() != LossSpec.NEVER, "self-distillation with one head");
      refuse(optimizer.frozen() == OptimizerSpec.Frozen.ENCODER, "a frozen encoder with no head");
    }
  }

  /** The same run with its samples batched otherwise. */
  public RunSpec with(BatchSpec otherwise) {
    return new RunSpec(
        name,
        seed,
        steps,
        encoder,
        heads,
        weightsSha256,
        dataSha256,
        data,
        otherwise,
        loss,
        optimizer,
        compute);
  }

  private static void refuse(boolean broken, String what) {
    if (broken) {
      throw new IllegalArgumentException(what + " (expected: one or the other)");
    }
  }

  /** A run of the dense embedding on plain data: every row of every file as it is. */
  public RunSpec(
      String name,
      long seed,
      long steps,
      EncoderSpec encoder,
      String weightsSha256,
      String dataSha256,
      BatchSpec batch,
      LossSpec loss,
      OptimizerSpec optimizer) {
    this(
        name,
        seed,
        steps,
        encoder,
        HeadSpec.DENSE,
        weightsSha256,
        dataSha256,
        DataSpec.PLAIN,
        batch,
        loss,
        optimizer,
        ComputeSpec.PLAIN);
  }
}
