package org.dunlin.protocol.wire;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageLite;
import com.google.protobuf.UnsafeByteOperations;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.zip.CRC32C;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.stream.SourceRef;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.OnWire;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.FeedItem;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.message.CopyEnded;
import org.dunlin.protocol.message.CopyOffered;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.LessonItem;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.RunBytes;
import org.dunlin.protocol.message.Seat;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.message.ToCoordinator;
import org.dunlin.protocol.message.ToCoordinator.Broken;
import org.dunlin.protocol.message.ToCoordinator.CaughtUp;
import org.dunlin.protocol.message.ToCoordinator.Join;
import org.dunlin.protocol.message.ToCoordinator.Leaving;
import org.dunlin.protocol.message.ToCoordinator.LessonLost;
import org.dunlin.protocol.message.ToCoordinator.Loaded;
import org.dunlin.protocol.message.ToCoordinator.MemoryShort;
import org.dunlin.protocol.message.ToCoordinator.Offered;
import org.dunlin.protocol.message.ToCoordinator.PartLost;
import org.dunlin.protocol.message.ToCoordinator.PartWritten;
import org.dunlin.protocol.message.ToCoordinator.Parted;
import org.dunlin.protocol.message.ToCoordinator.Prepared;
import org.dunlin.protocol.message.ToCoordinator.Return;
import org.dunlin.protocol.message.ToCoordinator.ShareOffered;
import org.dunlin.protocol.message.ToWorker;
import org.dunlin.protocol.message.ToWorker.Assign;
import org.dunlin.protocol.message.ToWorker.Checkpoint;
import org.dunlin.protocol.message.ToWorker.Commit;
import org.dunlin.protocol.message.ToWorker.Export;
import org.dunlin.protocol.message.ToWorker.Learn;
import org.dunlin.protocol.message.ToWorker.Leave;
import org.dunlin.protocol.message.ToWorker.Lesson;
import org.dunlin.protocol.message.ToWorker.Park;
import org.dunlin.protocol.message.ToWorker.Recognize;
import org.dunlin.protocol.message.ToWorker.SendShare;
import org.dunlin.protocol.message.ToWorker.Teach;
import org.dunlin.protocol.message.ToWorker.Welcome;
import org.dunlin.protocol.message.ToWorker.WriteShare;

/** Every message to Protobuf and back; references go through {@link References}. */
final class MessageCodec {
  /** How actor and stream references become text. */
  interface References {
    <T> String actor(ActorRef<T> actor);

    <T> ActorRef<T> actor(String text);

    <T> String source(SourceRef<T> source);

    <T> SourceRef<T> source(String text);
  }

  private final References references;

  MessageCodec(References references) {
    this.references = references;
  }

  /** A short stable name of the message's kind, which {@link #read} takes. */
  static String manifest(OnWire message) {
    return switch (message) {
      case ToCoordinator m ->
          switch (m) {
            case Join j -> "join";
            case Return r -> "return";
            case Loaded l -> "loaded";
            case Prepared p -> "prepared";
            case MemoryShort s -> "short";
            case Parted p -> "parted";
            case Offered o -> "offered";
            case Broken b -> "broken";
            case CaughtUp c -> "caught-up";
            case LessonLost l -> "lesson-lost";
            case Leaving l -> "leaving";
            case PartWritten p -> "part-written";
            case PartLost p -> "part-lost";
            case ShareOffered s -> "share-offered";
          };
      case ToWorker m ->
          switch (m) {
            case Welcome w -> "welcome";
            case Assign a -> "assign";
            case Commit c -> "commit";
            case Export e -> "export";
            case Park p -> "park";
            case Leave l -> "leave";
            case Recognize r -> "recognize";
            case Learn l -> "learn";
            case Teach t -> "teach";
            case Lesson l -> "lesson";
            case Checkpoint c -> "checkpoint";
            case WriteShare w -> "write-share";
            case SendShare s -> "send-share";
          };
      case LessonItem m -> LessonCodec.manifest(m);
      case FeedItem m ->
          switch (m) {
            case StepHeader h -> "header";
            case SlotBatch s -> "slot";
          };
      case StateChunk c -> "chunk";
      case CopyOffered o -> "copy-offered";
      case RunBytes b -> "run-bytes";
      case CopyEnded e -> "copy-ended";
      default -> throw new IllegalArgumentException("no wire form: " + message.getClass());
    };
  }

  MessageLite write(OnWire message) {
    return switch (message) {
      case ToCoordinator m -> write(m);
      case ToWorker m -> write(m);
      case LessonItem item -> LessonCodec.write(item);
      case StepHeader header -> BatchCodec.write(header);
      case SlotBatch batch -> BatchCodec.write(batch);
      case StateChunk c ->
          StateChunkWire.newBuilder()
              .setKind(c.kind().name())
              .setTensor(c.tensor())
              .setFirstElement(c.firstElement())
              .setValues(UnsafeByteOperations.unsafeWrap(c.values().duplicate()))
              .setCrc32C(crc32c(c.values()))
              .build();
      case CopyOffered offer -> copy(offer);
      case RunBytes b ->
          RunBytesWire.newBuilder()
              .setFile(b.file())
              .setAt(b.at())
              .setSize(b.fileBytes())
              .setBytes(UnsafeByteOperations.unsafeWrap(b.bytes().duplicate()))
              .setCrc32C(crc32c(b.bytes()))
              .build();
      case CopyEnded e ->
          CopyEndedWire.newBuilder()
              .setNumber(e.number())
              .setWhole(e.whole())
              .setSentence(e.sentence())
              .build();
      default -> throw new IllegalArgumentException("no wire form: " + message.getClass());
    };
  }

  private MessageLite write(ToCoordinator message) {
    return switch (message) {
      case Join m -> join(m);
      case Return m -> {
        ReturnWire.Builder wire =
            ReturnWire.newBuilder()
                .setJoin(join(m.join()))
                .setGeneration(m.generation().number())
                .addAllRoster(m.roster().stream().map(MessageCodec::write).toList())
                .setSteps(m.steps())
                .setProbe(m.probe());
        m.prepared().ifPresent(result -> wire.setPrepared(LessonCodec.write(result)));
        yield wire.build();
      }
      case Loaded m ->
          LoadedWire.newBuilder()
              .setWorker(write(m.worker()))
              .setTerm(m.term().number())
              .setProbe(m.probe())
              .build();
      case Prepared m ->
          PreparedWire.newBuilder()
              .setWorker(write(m.worker()))
              .setTerm(m.term().number())
              .setGeneration(m.generation().number())
              .setResult(LessonCodec.write(m.result()))
              .build();
      case MemoryShort m ->
          MemoryShortWire.newBuilder()
              .setWorker(write(m.worker()))
              .setTerm(m.term().number())
              .setGeneration(m.generation().number())
              .setStep(m.step())
              .setRows(m.rows())
              .setTokens(m.tokens())
              .build();
      case Parted m ->
          PartedWire.newBuilder()
              .setWorker(write(m.worker()))
              .setTerm(m.term().number())
              .setGeneration(m.generation().number())
              .build();
      case Offered m ->
          OfferedWire.newBuilder()
              .setWorker(write(m.worker()))
              .setTerm(m.term().number())
              .setSteps(m.steps())
              .setState(references.source(m.state()))
              .build();
      case Broken m ->
          BrokenWire.newBuilder().setWorker(write(m.worker())).setSentence(m.sentence()).build();
      case CaughtUp m ->
          CaughtUpWire.newBuilder()
              .setWorker(write(m.worker()))
              .setTerm(m.term().number())
              .setLesson(m.lesson())
              .setSteps(m.steps())
              .setProbe(m.probe())
              .build();
      case LessonLost m ->
          LessonLostWire.newBuilder()
              .setWorker(write(m.worker()))
              .setTerm(m.term().number())
              .setLesson(m.lesson())
              .setWhy(m.why())
              .build();
      case Leaving m -> LeavingWire.newBuilder().setWorker(write(m.worker())).build();
      case PartWritten m ->
          PartWrittenWire.newBuilder()
              .setWorker(write(m.worker()))
              .setTerm(m.term().number())
              .setNumber(m.number())
              .setPart(CheckpointCodec.write(m.part()))
              .build();
      case ShareOffered m ->
          ShareOfferedWire.newBuilder()
              .setWorker(write(m.worker()))
              .setTerm(m.term().number())
              .setNumber(m.number())
              .setShare(m.share())
              .setShares(m.shares())
              .setValues(references.source(m.values()))
              .build();
      case PartLost m ->
          PartLostWire.newBuilder()
              .setWorker(write(m.worker()))
              .setTerm(m.term().number())
              .setNumber(m.number())
              .setWhy(m.why())
              .build();
    };
  }

  private JoinWire join(Join m) {
    return JoinWire.newBuilder()
        .setWorker(write(m.worker()))
        .setVersion(m.version())
        .setPid(m.pid())
        .setData(write(m.data()))
        .setActor(references.actor(m.actor()))
        .build();
  }

  private MessageLite write(ToWorker message) {
    return switch (message) {
      case Welcome m ->
          WelcomeWire.newBuilder()
              .setTerm(m.term().number())
              .setSpec(RunSpecCodec.write(m.spec()))
              .setSteps(m.steps())
              .setScalars(LessonCodec.write(m.scalars()))
              .setState(references.source(m.state()))
              .setPulse(write(m.pulse()))
              .setLeaseMs(m.leaseMs())
              .build();
      case Assign m ->
          AssignWire.newBuilder()
              .setTerm(m.term().number())
              .setGeneration(m.generation().number())
              .setFirstStep(m.firstStep())
              .addAllRoster(m.roster().stream().map(MessageCodec::write).toList())
              .setRecompute(m.recompute().name())
              .setFeed(references.source(m.feed()))
              .build();
      case Commit m ->
          CommitWire.newBuilder()
              .setTerm(m.term().number())
              .setGeneration(m.generation().number())
              .setStep(m.step())
              .build();
      case Export m ->
          ExportWire.newBuilder().setTerm(m.term().number()).setSteps(m.steps()).build();
      case Park m ->
          ParkWire.newBuilder()
              .setTerm(m.term().number())
              .setPulse(write(m.pulse()))
              .setLeaseMs(m.leaseMs())
              .setReason(m.reason())
              .build();
      case Leave m ->
          LeaveWire.newBuilder()
              .setTerm(m.term().number())
              .setReason(m.reason())
              .setRefused(m.refused())
              .build();
      case Recognize m ->
          RecognizeWire.newBuilder()
              .setTerm(m.term().number())
              .setPulse(write(m.pulse()))
              .setLeaseMs(m.leaseMs())
              .build();
      case Learn m ->
          LearnWire.newBuilder()
              .setTerm(m.term().number())
              .setLesson(m.lesson())
              .setGeneration(m.generation().number())
              .setTeachers(m.teachers())
              .setSpec(RunSpecCodec.write(m.spec()))
              .setPulse(write(m.pulse()))
              .setLeaseMs(m.leaseMs())
              .build();
      case Teach m ->
          TeachWire.newBuilder()
              .setTerm(m.term().number())
              .setLearner(references.actor(m.learner()))
              .setLesson(m.lesson())
              .setShare(m.share())
              .setShares(m.shares())
              .build();
      case Lesson m ->
          LessonWire.newBuilder()
              .setTerm(m.term().number())
              .setLesson(m.lesson())
              .setShare(m.share())
              .setItems(references.source(m.items()))
              .build();
      case Checkpoint m ->
          CheckpointWire.newBuilder()
              .setTerm(m.term().number())
              .setNumber(m.number())
              .setSteps(m.steps())
              .setShare(m.share())
              .setShares(m.shares())
              .build();
      case WriteShare m ->
          WriteShareWire.newBuilder()
              .setTerm(m.term().number())
              .setNumber(m.number())
              .setFolder(m.folder())
              .build();
      case SendShare m ->
          SendShareWire.newBuilder().setTerm(m.term().number()).setNumber(m.number()).build();
    };
  }

  OnWire read(String manifest, byte[] bytes) throws InvalidProtocolBufferException {
    return switch (manifest) {
      case "join" -> read(JoinWire.parseFrom(bytes));
      case "loaded" -> {
        LoadedWire m = LoadedWire.parseFrom(bytes);
        yield new Loaded(read(m.getWorker()), new Term(m.getTerm()), m.getProbe());
      }
      case "prepared" -> read(PreparedWire.parseFrom(bytes));
      case "short" -> {
        MemoryShortWire m = MemoryShortWire.parseFrom(bytes);
        yield new MemoryShort(
            read(m.getWorker()),
            new Term(m.getTerm()),
            new Generation(m.getGeneration()),
            m.getStep(),
            m.getRows(),
            m.getTokens());
      }
      case "parted" -> {
        PartedWire m = PartedWire.parseFrom(bytes);
        yield new Parted(
            read(m.getWorker()), new Term(m.getTerm()), new Generation(m.getGeneration()));
      }
      case "offered" -> {
        OfferedWire m = OfferedWire.parseFrom(bytes);
        yield new Offered(
            read(m.getWorker()),
            new Term(m.getTerm()),
            m.getSteps(),
            references.source(m.getState()));
      }
      case "broken" -> {
        BrokenWire m = BrokenWire.parseFrom(bytes);
        yield new Broken(read(m.getWorker()), m.getSentence());
      }
      case "welcome" -> {
        WelcomeWire m = WelcomeWire.parseFrom(bytes);
        yield new Welcome(
            new Term(m.getTerm()),
            RunSpecCodec.read(m.getSpec()),
            m.getSteps(),
            LessonCodec.read(m.getScalars()),
            references.source(m.getState()),
            read(m.getPulse()),
            m.getLeaseMs());
      }
      case "assign" -> read(AssignWire.parseFrom(bytes));
      case "commit" -> {
        CommitWire m = CommitWire.parseFrom(bytes);
        yield new Commit(new Term(m.getTerm()), new Generation(m.getGeneration()), m.getStep());
      }
      case "export" -> {
        ExportWire m = ExportWire.parseFrom(bytes);
        yield new Export(new Term(m.getTerm()), m.getSteps());
      }
      case "park" -> {
        ParkWire m = ParkWire.parseFrom(bytes);
        yield new Park(new Term(m.getTerm()), read(m.getPulse()), m.getLeaseMs(), m.getReason());
      }
      case "leave" -> {
        LeaveWire m = LeaveWire.parseFrom(bytes);
        yield new Leave(new Term(m.getTerm()), m.getReason(), m.getRefused());
      }
      case "return" -> {
        ReturnWire m = ReturnWire.parseFrom(bytes);
        yield new Return(
            read(m.getJoin()),
            new Generation(m.getGeneration()),
            m.getRosterList().stream().map(MessageCodec::read).toList(),
            m.getSteps(),
            m.hasPrepared() ? Optional.of(LessonCodec.read(m.getPrepared())) : Optional.empty(),
            m.getProbe());
      }
      case "recognize" -> {
        RecognizeWire m = RecognizeWire.parseFrom(bytes);
        yield new Recognize(new Term(m.getTerm()), read(m.getPulse()), m.getLeaseMs());
      }
      case "caught-up" -> {
        CaughtUpWire m = CaughtUpWire.parseFrom(bytes);
        yield new CaughtUp(
            read(m.getWorker()), new Term(m.getTerm()), m.getLesson(), m.getSteps(), m.getProbe());
      }
      case "lesson-lost" -> {
        LessonLostWire m = LessonLostWire.parseFrom(bytes);
        yield new LessonLost(read(m.getWorker()), new Term(m.getTerm()), m.getLesson(), m.getWhy());
      }
      case "part-written" -> {
        PartWrittenWire m = PartWrittenWire.parseFrom(bytes);
        yield new PartWritten(
            read(m.getWorker()),
            new Term(m.getTerm()),
            m.getNumber(),
            CheckpointCodec.read(m.getPart()));
      }
      case "part-lost" -> {
        PartLostWire m = PartLostWire.parseFrom(bytes);
        yield new PartLost(read(m.getWorker()), new Term(m.getTerm()), m.getNumber(), m.getWhy());
      }
      case "checkpoint" -> {
        CheckpointWire m = CheckpointWire.parseFrom(bytes);
        yield new Checkpoint(
            new Term(m.getTerm()), m.getNumber(), m.getSteps(), m.getShare(), m.getShares());
      }
      case "write-share" -> {
        WriteShareWire m = WriteShareWire.parseFrom(bytes);
        yield new WriteShare(new Term(m.getTerm()), m.getNumber(), m.getFolder());
      }
      case "send-share" -> {
        SendShareWire m = SendShareWire.parseFrom(bytes);
        yield new SendShare(new Term(m.getTerm()), m.getNumber());
      }
      case "share-offered" -> {
        ShareOfferedWire m = ShareOfferedWire.parseFrom(bytes);
        yield new ShareOffered(
            read(m.getWorker()),
            new Term(m.getTerm()),
            m.getNumber(),
            m.getShare(),
            m.getShares(),
            references.source(m.getValues()));
      }
      case "leaving" -> new Leaving(read(LeavingWire.parseFrom(bytes).getWorker()));
      case "learn" -> {
        LearnWire m = LearnWire.parseFrom(bytes);
        yield new Learn(
            new Term(m.getTerm()),
            m.getLesson(),
            new Generation(m.getGeneration()),
            m.getTeachers(),
            RunSpecCodec.read(m.getSpec()),
            read(m.getPulse()),
            m.getLeaseMs());
      }
      case "teach" -> {
        TeachWire m = TeachWire.parseFrom(bytes);
        yield new Teach(
            new Term(m.getTerm()),
            references.actor(m.getLearner()),
            m.getLesson(),
            m.getShare(),
            m.getShares());
      }
      case "lesson" -> {
        LessonWire m = LessonWire.parseFrom(bytes);
        yield new Lesson(
            new Term(m.getTerm()), m.getLesson(), m.getShare(), references.source(m.getItems()));
      }
      case "begun", "part", "held", "done", "digest" -> LessonCodec.read(manifest, bytes);
      case "header" -> BatchCodec.read(StepHeaderWire.parseFrom(bytes));
      case "slot" -> BatchCodec.read(SlotBatchWire.parseFrom(bytes));
      case "chunk" -> read(StateChunkWire.parseFrom(bytes));
      case "copy-offered" -> read(CopyOfferedWire.parseFrom(bytes));
      case "run-bytes" -> read(RunBytesWire.parseFrom(bytes));
      case "copy-ended" -> {
        CopyEndedWire m = CopyEndedWire.parseFrom(bytes);
        yield new CopyEnded(m.getNumber(), m.getWhole(), m.getSentence());
      }
      default -> throw new IllegalArgumentException("unknown message kind: " + manifest);
    };
  }

  // From memory to memory: what one machine's memory or a cable spoils must not be kept as a state.
  private static StateChunk read(StateChunkWire m) {
    StateChunk chunk =
        new StateChunk(
            Kind.valueOf(m.getKind()),
            m.getTensor(),
            m.getFirstElement(),
            m.getValues().asReadOnlyByteBuffer());
    requireSame(
        chunk.values(), m.getCrc32C(), chunk.tensor() + ", from element " + chunk.firstElement());
    return chunk;
  }

  private static RunBytes read(RunBytesWire m) {
    RunBytes piece =
        new RunBytes(m.getFile(), m.getAt(), m.getSize(), m.getBytes().asReadOnlyByteBuffer());
    requireSame(piece.bytes(), m.getCrc32C(), piece.file() + ", from byte " + piece.at());
    return piece;
  }

  private static void requireSame(ByteBuffer bytes, int sent, String what) {
    int found = crc32c(bytes);
    if (found != sent) {
      throw new IllegalArgumentException(
          "%s: CRC32C is %08x (expected: %08x, the sender's)".formatted(what, found, sent));
    }
  }

  private MessageLite copy(CopyOffered m) {
    return CopyOfferedWire.newBuilder()
        .setTerm(m.term().number())
        .setNumber(m.number())
        .setRun(m.run())
        .setSteps(m.steps())
        .setManifestSha256(m.manifestSha256())
        .setBytes(m.bytes())
        .addAllRecords(m.records())
        .addAllComplete(m.complete())
        .setFiles(references.source(m.files()))
        .setAnswer(references.actor(m.answer()))
        .build();
  }

  private CopyOffered read(CopyOfferedWire m) {
    return new CopyOffered(
        new Term(m.getTerm()),
        m.getNumber(),
        m.getRun(),
        m.getSteps(),
        m.getManifestSha256(),
        m.getBytes(),
        List.copyOf(m.getRecordsList()),
        List.copyOf(m.getCompleteList()),
        references.source(m.getFiles()),
        references.actor(m.getAnswer()));
  }

  private static int crc32c(ByteBuffer values) {
    CRC32C crc = new CRC32C();
    crc.update(values.duplicate());
    return (int) crc.getValue();
  }

  private Join read(JoinWire m) {
    return new Join(
        read(m.getWorker()),
        m.getVersion(),
        m.getPid(),
        read(m.getData()),
        references.actor(m.getActor()));
  }

  private static Prepared read(PreparedWire m) {
    return new Prepared(
        read(m.getWorker()),
        new Term(m.getTerm()),
        new Generation(m.getGeneration()),
        LessonCodec.read(m.getResult()));
  }

  private Assign read(AssignWire m) {
    Seat[] roster = m.getRosterList().stream().map(MessageCodec::read).toArray(Seat[]::new);
    return new Assign(
        new Term(m.getTerm()),
        new Generation(m.getGeneration()),
        m.getFirstStep(),
        Arrays.asList(roster),
        Recompute.valueOf(m.getRecompute()),
        references.source(m.getFeed()));
  }

  private static WorkerWire write(WorkerId worker) {
    return WorkerWire.newBuilder()
        .setName(worker.name())
        .setIncarnation(worker.incarnation())
        .build();
  }

  private static WorkerId read(WorkerWire m) {
    return new WorkerId(m.getName(), m.getIncarnation());
  }

  private static EndpointWire write(Endpoint endpoint) {
    return EndpointWire.newBuilder().setHost(endpoint.host()).setPort(endpoint.port()).build();
  }

  private static Endpoint read(EndpointWire m) {
    return new Endpoint(m.getHost(), m.getPort());
  }

  private static SeatWire write(Seat seat) {
    return SeatWire.newBuilder()
        .setWorker(write(seat.worker()))
        .setData(write(seat.data()))
        .setFirstSlot(seat.firstSlot())
        .setSlots(seat.slots())
        .build();
  }

  private static Seat read(SeatWire m) {
    return new Seat(read(m.getWorker()), read(m.getData()), m.getFirstSlot(), m.getSlots());
  }
}
