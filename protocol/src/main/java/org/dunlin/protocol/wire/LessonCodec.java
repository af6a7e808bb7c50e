package org.dunlin.protocol.wire;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageLite;
import com.google.protobuf.UnsafeByteOperations;
import java.util.Arrays;
import java.util.stream.DoubleStream;
import org.dunlin.protocol.message.LessonItem;
import org.dunlin.protocol.message.LessonItem.Begun;
import org.dunlin.protocol.message.LessonItem.Digest;
import org.dunlin.protocol.message.LessonItem.Done;
import org.dunlin.protocol.message.LessonItem.Held;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.LessonItem.Part;
import org.dunlin.protocol.message.SlotDigest;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.Scalars;

/** What members tell learners, and a step's result, which others know too. */
final class LessonCodec {
  private LessonCodec() {}

  static String manifest(LessonItem item) {
    return switch (item) {
      case Begun m -> "begun";
      case Part m -> "part";
      case Held m -> "held";
      case Done m -> "done";
      case Digest m -> "digest";
    };
  }

  static MessageLite write(LessonItem item) {
    return switch (item) {
      case Begun m ->
          BegunWire.newBuilder().setSteps(m.steps()).setScalars(write(m.scalars())).build();
      case Part m ->
          PartWire.newBuilder()
              .setTensor(m.tensor())
              .setKind(m.kind().name())
              .setFirstElement(m.firstElement())
              .addAllRows(Arrays.stream(m.rows()).boxed().toList())
              .setValues(UnsafeByteOperations.unsafeWrap(m.values().duplicate()))
              .build();
      case Held m -> HeldWire.newBuilder().setTensor(m.tensor()).build();
      case Done m -> write(m.step());
      case Digest m -> DigestWire.newBuilder().setSteps(m.steps()).setCrc(m.crc()).build();
    };
  }

  static LessonItem read(String manifest, byte[] bytes) throws InvalidProtocolBufferException {
    return switch (manifest) {
      case "begun" -> {
        BegunWire m = BegunWire.parseFrom(bytes);
        yield new Begun(m.getSteps(), read(m.getScalars()));
      }
      case "part" -> {
        PartWire m = PartWire.parseFrom(bytes);
        yield new Part(
            m.getTensor(),
            Kind.valueOf(m.getKind()),
            m.getFirstElement(),
            m.getRowsList().stream().mapToInt(Integer::intValue).toArray(),
            m.getValues().asReadOnlyByteBuffer());
      }
      case "held" -> new Held(HeldWire.parseFrom(bytes).getTensor());
      case "done" -> new Done(read(StepResultWire.parseFrom(bytes)));
      case "digest" -> {
        DigestWire m = DigestWire.parseFrom(bytes);
        yield new Digest(m.getSteps(), m.getCrc());
      }
      default -> throw new IllegalArgumentException("unknown item of a lesson: " + manifest);
    };
  }

  static StepResultWire write(StepResult result) {
    return StepResultWire.newBuilder()
        .setStep(result.step())
        .setChecksum(result.checksum())
        .setApplied(result.applied())
        .setGradientNorm(result.gradientNorm())
        .setScalars(write(result.scalars()))
        .addAllSlotLosses(DoubleStream.of(result.slotLosses()).boxed().toList())
        .setBusyMs(result.busyMs())
        .addAllDigests(result.digests().stream().map(LessonCodec::write).toList())
        .build();
  }

  static StepResult read(StepResultWire m) {
    return new StepResult(
        m.getStep(),
        m.getChecksum(),
        m.getApplied(),
        m.getGradientNorm(),
        read(m.getScalars()),
        m.getSlotLossesList().stream().mapToDouble(Double::doubleValue).toArray(),
        m.getBusyMs(),
        m.getDigestsList().stream().map(LessonCodec::read).toList());
  }

  private static SlotDigestWire write(SlotDigest digest) {
    return SlotDigestWire.newBuilder()
        .setSlot(digest.slot())
        .setEmbeddings(digest.embeddings())
        .setLoss(digest.loss())
        .setUpstream(digest.upstream())
        .setGradient(digest.gradient())
        .build();
  }

  private static SlotDigest read(SlotDigestWire m) {
    return new SlotDigest(
        m.getSlot(), m.getEmbeddings(), m.getLoss(), m.getUpstream(), m.getGradient());
  }

  static ScalarsWire write(Scalars scalars) {
    return ScalarsWire.newBuilder()
        .setUpdates(scalars.updates())
        .setLossScale(scalars.lossScale())
        .setGoodSteps(scalars.goodSteps())
        .build();
  }

  static Scalars read(ScalarsWire m) {
    return new Scalars(m.getUpdates(), m.getLossScale(), m.getGoodSteps());
  }
}
