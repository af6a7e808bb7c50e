package org.dunlin.protocol.wire;

import com.google.protobuf.InvalidProtocolBufferException;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.MicroBatchLimit;
import org.dunlin.protocol.run.OptimizerSpec;
import org.dunlin.protocol.run.RunSpec;

/** {@link RunSpec} to Protobuf and back. */
public final class RunSpecCodec {
  private RunSpecCodec() {}

  /** A run as bytes, for a process that is handed it without a cluster. */
  public static byte[] bytes(RunSpec spec) {
    return write(spec).toByteArray();
  }

  /**
   * The run that {@link #bytes} wrote.
   *
   * @throws IllegalArgumentException if they are no run
   */
  public static RunSpec of(byte[] bytes) {
    try {
      return read(RunSpecWire.parseFrom(bytes));
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalArgumentException("bytes that are no run", e);
    }
  }

  static RunSpecWire write(RunSpec spec) {
    return RunSpecWire.newBuilder()
        .setName(spec.name())
        .setSeed(spec.seed())
        .setSteps(spec.steps())
        .setEncoder(write(spec.encoder()))
        .setHeads(write(spec.heads()))
        .setWeightsSha256(spec.weightsSha256())
        .setDataSha256(spec.dataSha256())
        .setData(DataSpecCodec.write(spec.data()))
        .setBatch(write(spec.batch()))
        .setLoss(write(spec.loss()))
        .setOptimizer(write(spec.optimizer()))
        .setPrecision(spec.compute().precision().name())
        .setRecomputesLayers(spec.compute().recomputesLayers())
        .setReduction(spec.compute().reduction().name())
        .build();
  }

  static RunSpec read(RunSpecWire wire) {
    return new RunSpec(
        wire.getName(),
        wire.getSeed(),
        wire.getSteps(),
        read(wire.getEncoder()),
        read(wire.getHeads()),
        wire.getWeightsSha256(),
        wire.getDataSha256(),
        DataSpecCodec.read(wire.getData()),
        read(wire.getBatch()),
        read(wire.getLoss()),
        read(wire.getOptimizer()),
        new ComputeSpec(
            ComputeSpec.Precision.valueOf(wire.getPrecision()),
            wire.getRecomputesLayers(),
            ComputeSpec.Reduction.valueOf(wire.getReduction())));
  }

  private static EncoderWire write(EncoderSpec encoder) {
    return EncoderWire.newBuilder()
        .setFamily(encoder.family().name())
        .setVocabulary(encoder.vocabulary())
        .setPositions(encoder.positions())
        .setTokenTypes(encoder.tokenTypes())
        .setHidden(encoder.hidden())
        .setLayers(encoder.layers())
        .setHeads(encoder.heads())
        .setFeedForward(encoder.feedForward())
        .setLayerNormEpsilon(encoder.layerNormEpsilon())
        .setPadId(encoder.padId())
        .setHiddenDropout(encoder.hiddenDropout())
        .setAttentionDropout(encoder.attentionDropout())
        .build();
  }

  private static EncoderSpec read(EncoderWire wire) {
    return new EncoderSpec(
        EncoderSpec.Family.valueOf(wire.getFamily()),
        wire.getVocabulary(),
        wire.getPositions(),
        wire.getTokenTypes(),
        wire.getHidden(),
        wire.getLayers(),
        wire.getHeads(),
        wire.getFeedForward(),
        wire.getLayerNormEpsilon(),
        wire.getPadId(),
        wire.getHiddenDropout(),
        wire.getAttentionDropout());
  }

  private static HeadsWire write(HeadSpec heads) {
    return HeadsWire.newBuilder()
        .setUnified(heads.unified())
        .setVectorWidth(heads.vectorWidth())
        .addAllSilentIds(heads.silentIds())
        .build();
  }

  private static HeadSpec read(HeadsWire wire) {
    return new HeadSpec(wire.getUnified(), wire.getVectorWidth(), wire.getSilentIdsList());
  }

  private static BatchSpecWire write(BatchSpec batch) {
    return BatchSpecWire.newBuilder()
        .setPairs(batch.pairs())
        .setTokens(batch.tokens())
        .setGroupSize(batch.groupSize())
        .setSlots(batch.slots())
        .setMicroBatchTokens(batch.microBatchTokens())
        .setSortWindowBatches(batch.sortWindowBatches())
        .setQueryMaxTokens(batch.queryMaxTokens())
        .setPassageMaxTokens(batch.passageMaxTokens())
        .setPadMultiple(batch.padMultiple())
        .setPools(batch.pools())
        .setMicroBatchRows(batch.microBatchRows())
        .addAllMicroBatchLimits(
            batch.microBatchLimits().stream()
                .map(
                    limit ->
                        MicroBatchLimitWire.newBuilder()
                            .setMinTokens(limit.minTokens())
                            .setMostTokens(limit.mostTokens())
                            .build())
                .toList())
        .build();
  }

  private static BatchSpec read(BatchSpecWire wire) {
    return new BatchSpec(
        wire.getPairs(),
        wire.getTokens(),
        wire.getGroupSize(),
        wire.getSlots(),
        wire.getMicroBatchTokens(),
        wire.getSortWindowBatches(),
        wire.getQueryMaxTokens(),
        wire.getPassageMaxTokens(),
        wire.getPadMultiple(),
        wire.getPools(),
        wire.getMicroBatchRows(),
        wire.getMicroBatchLimitsList().stream()
            .map(limit -> new MicroBatchLimit(limit.getMinTokens(), limit.getMostTokens()))
            .toList());
  }

  private static LossWire write(LossSpec loss) {
    return LossWire.newBuilder()
        .setPooling(loss.pooling().name())
        .setNormalize(loss.normalize())
        .setTemperature(loss.temperature())
        .setMaskDuplicates(loss.maskDuplicates())
        .setDistillation(loss.distillation().name())
        .setSelfDistillStart(loss.selfDistillStart())
        .addAllMatryoshkaDims(loss.matryoshkaDims())
        .setPadsInMaxSim(loss.padsInMaxSim())
        .build();
  }

  private static LossSpec read(LossWire wire) {
    return new LossSpec(
        LossSpec.Pooling.valueOf(wire.getPooling()),
        wire.getNormalize(),
        wire.getTemperature(),
        wire.getMaskDuplicates(),
        LossSpec.Distillation.valueOf(wire.getDistillation()),
        wire.getSelfDistillStart(),
        wire.getMatryoshkaDimsList(),
        wire.getPadsInMaxSim());
  }

  private static OptimizerWire write(OptimizerSpec optimizer) {
    return OptimizerWire.newBuilder()
        .setLearningRate(optimizer.learningRate())
        .setSchedule(optimizer.schedule().name())
        .setWarmupSteps(optimizer.warmupSteps())
        .setWeightDecay(optimizer.weightDecay())
        .setBeta1(optimizer.beta1())
        .setBeta2(optimizer.beta2())
        .setEpsilon(optimizer.epsilon())
        .setMaxGradientNorm(optimizer.maxGradientNorm())
        .setFrozen(optimizer.frozen().name())
        .build();
  }

  private static OptimizerSpec read(OptimizerWire wire) {
    return new OptimizerSpec(
        wire.getLearningRate(),
        OptimizerSpec.Schedule.valueOf(wire.getSchedule()),
        wire.getWarmupSteps(),
        wire.getWeightDecay(),
        wire.getBeta1(),
        wire.getBeta2(),
        wire.getEpsilon(),
        wire.getMaxGradientNorm(),
        OptimizerSpec.Frozen.valueOf(wire.getFrozen()));
  }
}
