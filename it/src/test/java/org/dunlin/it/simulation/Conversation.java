package org.dunlin.it.simulation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.coordinator.step.AuditPlan;
import org.dunlin.coordinator.step.CheckpointPlan;
import org.dunlin.coordinator.step.CheckpointPoint;
import org.dunlin.coordinator.step.CutRecord;
import org.dunlin.coordinator.step.Effect;
import org.dunlin.coordinator.step.EvaluationPlan;
import org.dunlin.coordinator.step.Event;
import org.dunlin.coordinator.step.Past;
import org.dunlin.coordinator.step.State;
import org.dunlin.coordinator.step.StepProtocol;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.SlotDigest;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.MicroBatchLimit;
import org.dunlin.protocol.run.Scalars;
import org.dunlin.worker.member.MemberEffect;
import org.dunlin.worker.member.MemberEvent;
import org.dunlin.worker.member.MemberProtocol;
import org.dunlin.worker.member.MemberState;

/**
 * Plays a script. Its first line is {@code run WORKERS SLOTS STEPS}, with {@code comers=any} or
 * {@code comers=again} behind it where a worker that is lost before the first step is replaced, by
 * others or by itself, and {@code audits} where every step is audited; then each line is what one
 * party hears, {@code coordinator: ...} or {@code WORKER: ...}, and the indented lines below are
 * all that it does about it. {@code #} begins a remark; every slot has one query.
 */
final class Conversation {
  private static final long CHECKSUM = 7;

  private final StepProtocol protocol;
  private final int slots;
  private final SortedMap<String, MemberState> members = new TreeMap<>();
  private State state = State.initial();

  private Conversation(String[] run) {
    this.slots = Integer.parseInt(run[2]);
    this.protocol =
        new StepProtocol(
            Simulation.TERM,
            Integer.parseInt(run[3]),
            slots,
            new Admission(Integer.parseInt(run[1]), comers(run), false),
            0,
            true,
            Past.NONE,
            checkpoints(run),
            evaluations(run),
            audits(run));
  }

  private static Admission.Comers comers(String[] run) {
    return Arrays.stream(Admission.Comers.values())
        .filter(comers -> List.of(run).contains("comers=" + comers.name().toLowerCase(Locale.ROOT)))
        .findFirst()
        .orElse(Admission.Comers.NONE);
  }

  private static EvaluationPlan evaluations(String[] run) {
    return Arrays.stream(run)
        .filter(word -> word.startsWith("evaluations="))
        .map(word -> word.substring("evaluations=".length()).split("/"))
        .map(word -> new EvaluationPlan(Long.parseLong(word[0]), Long.parseLong(word[1])))
        .findFirst()
        .orElse(EvaluationPlan.NONE);
  }

  private static AuditPlan audits(String[] run) {
    return List.of(run).contains("audits") ? new AuditPlan(1, 0) : AuditPlan.NONE;
  }

  private static CheckpointPlan checkpoints(String[] run) {
    return Arrays.stream(run)
        .filter(word -> word.startsWith("checkpoints="))
        .map(word -> Long.parseLong(word.substring("checkpoints=".length())))
        .map(every -> new CheckpointPlan(every, false, true, true))
        .findFirst()
        .orElse(CheckpointPlan.NONE);
  }

  /** The same script with what the protocols really do below each line that is heard. */
  static String play(String script) {
    List<String> played = new ArrayList<>();
    Conversation conversation = null;
    for (String line : script.lines().toList()) {
      if (line.isBlank() || line.startsWith("#")) {
        played.add(line);
      } else if (conversation == null) {
        played.add(line);
        conversation = new Conversation(line.split(" "));
      } else if (!line.startsWith(" ")) {
        played.add(line);
        int colon = line.indexOf(": ");
        conversation.hear(line.substring(0, colon), line.substring(colon + 2).split(" ")).stream()
            .map(done -> "  " + done)
            .forEach(played::add);
      }
    }
    return played.stream().collect(Collectors.joining("\n", "", "\n"));
  }

  private List<String> hear(String who, String[] words) {
    if (who.equals("coordinator")) {
      StepProtocol.Decision decision = protocol.next(state, coordinatorEvent(words));
      state = decision.next();
      return decision.effects().stream().map(Conversation::text).toList();
    }
    MemberState member = members.getOrDefault(who, MemberState.initial());
    MemberProtocol.Decision decision = new MemberProtocol().next(member, memberEvent(words));
    members.put(who, decision.next());
    return decision.effects().stream().map(Conversation::text).toList();
  }

  private static Event coordinatorEvent(String[] w) {
    return switch (w[0]) {
      case "joined" -> new Event.Joined(worker(w[1]));
      case "loaded" ->
          new Event.Loaded(worker(w[1]), Simulation.TERM, w.length > 2 ? w[2] : "probe");
      case "prepared" ->
          new Event.Prepared(worker(w[1]), Simulation.TERM, generation(w[2]), prepared(w));
      case "memory-short" ->
          new Event.MemoryShort(
              worker(w[1]),
              Simulation.TERM,
              generation(w[2]),
              Long.parseLong(w[3]),
              Integer.parseInt(w[4]),
              Integer.parseInt(w[5]));
      case "recorded" ->
          new Event.Recorded(
              new CutRecord(
                  Long.parseLong(w[1]),
                  new MicroBatchLimit(Integer.parseInt(w[2]), Integer.parseInt(w[3]))));
      case "parted" -> new Event.Parted(worker(w[1]), Simulation.TERM, generation(w[2]));
      case "waited" -> new Event.Waited(generation(w[1]));
      case "offered" -> new Event.Offered(worker(w[1]), Simulation.TERM, Long.parseLong(w[2]));
      case "saved" -> new Event.Saved(Long.parseLong(w[1]));
      case "save-failed" -> new Event.SaveFailed(worker(w[1]), "the stream broke");
      case "caught-up" ->
          new Event.CaughtUp(
              worker(w[1]), Simulation.TERM, Long.parseLong(w[2]), Long.parseLong(w[3]), "probe");
      case "lesson-lost" ->
          new Event.LessonLost(
              worker(w[1]), Simulation.TERM, Long.parseLong(w[2]), "a teacher is gone");
      case "returned" ->
          new Event.Returned(
              worker(w[1]),
              generation(w[2]),
              Arrays.stream(w[3].split(",")).map(Conversation::worker).toList(),
              Long.parseLong(w[4]),
              w.length > 5 ? Optional.of(result(w[5])) : Optional.empty(),
              "probe");
      case "roster-waited" -> new Event.RosterWaited();
      case "leave" -> new Event.LeaveAsked(worker(w[1]));
      case "ledgered" -> new Event.Ledgered(Long.parseLong(w[1]), w.length > 2);
      case "measured" ->
          new Event.Measured(Long.parseLong(w[1]), Long.parseLong(w[2]), Double.parseDouble(w[3]));
      case "checkpoint-due" -> new Event.CheckpointDue();
      case "part-written" ->
          new Event.PartWritten(
              worker(w[1]),
              Simulation.TERM,
              Long.parseLong(w[2]),
              new CheckpointPart("part-" + w[1], 1, "0".repeat(64), List.of()));
      case "part-lost" ->
          new Event.PartLost(
              worker(w[1]), Simulation.TERM, Long.parseLong(w[2]), "the disk is full");
      case "checkpoint-written" -> new Event.CheckpointWritten(Long.parseLong(w[1]));
      case "checkpoint-failed" ->
          new Event.CheckpointFailed(Long.parseLong(w[1]), "the disk is full");
      case "checkpoint-found" ->
          new Event.CheckpointFound(
              new CheckpointPoint(Long.parseLong(w[1]), new Scalars(1, 1, 0), 7, 0));
      case "lost" -> new Event.Lost(worker(w[1]), "is gone");
      case "failed" -> new Event.Lost(worker(w[1]), "failed: no memory", true);
      case "stop" -> new Event.StopAsked();
      default -> throw new IllegalArgumentException("the coordinator never hears " + w[0]);
    };
  }

  private MemberEvent memberEvent(String[] w) {
    return switch (w[0]) {
      case "welcomed" ->
          new MemberEvent.Welcomed(Simulation.TERM, w.length > 1 ? Long.parseLong(w[1]) : 0);
      case "checkpoint-asked" ->
          new MemberEvent.CheckpointAsked(
              Simulation.TERM,
              Long.parseLong(w[1]),
              Long.parseLong(w[2]),
              Integer.parseInt(w[3]),
              Integer.parseInt(w[4]));
      case "parked" -> new MemberEvent.Parked(Simulation.TERM, "the run has its workers");
      case "leave" -> new MemberEvent.LeaveAsked();
      case "coordinator-changed" -> new MemberEvent.CoordinatorChanged();
      case "recognized" -> new MemberEvent.Recognized(new Term(Long.parseLong(w[1])));
      case "learn" ->
          new MemberEvent.LearnAsked(
              Simulation.TERM, Long.parseLong(w[1]), generation(w[2]), Integer.parseInt(w[3]));
      case "teach" ->
          new MemberEvent.TeachAsked(
              Simulation.TERM,
              Long.parseLong(w[1]),
              Integer.parseInt(w[2]),
              Integer.parseInt(w[3]));
      case "followed" ->
          new MemberEvent.Followed(
              Long.parseLong(w[1]), Long.parseLong(w[2]), w.length > 3, "probe");
      case "lesson-broke" -> new MemberEvent.LessonBroke(Long.parseLong(w[1]), "a teacher is gone");
      case "refused" -> new MemberEvent.Dismissed(Simulation.TERM, "it computes other bits", true);
      case "state-loaded" -> new MemberEvent.StateLoaded("probe");
      case "assigned" ->
          new MemberEvent.Assigned(
              Simulation.TERM,
              generation(w[1]),
              Long.parseLong(w[2]),
              Integer.parseInt(w[3]),
              Integer.parseInt(w[4]),
              w.length > 5 ? Recompute.valueOf(w[5]) : Recompute.MISSING);
      case "met" -> new MemberEvent.Met(generation(w[1]));
      case "header" -> new MemberEvent.Fed(generation(w[1]), header(Long.parseLong(w[2])));
      case "batch" ->
          new MemberEvent.Fed(
              generation(w[1]), batch(Long.parseLong(w[2]), Integer.parseInt(w[3])));
      case "computed" -> new MemberEvent.Computed(generation(w[1]), result(w[2]));
      case "memory-short" ->
          new MemberEvent.MemoryShort(
              generation(w[1]),
              Long.parseLong(w[2]),
              Integer.parseInt(w[3]),
              Integer.parseInt(w[4]));
      case "parted" -> new MemberEvent.Parted(generation(w[1]), "a peer is gone");
      case "committed" ->
          new MemberEvent.Committed(Simulation.TERM, generation(w[1]), Long.parseLong(w[2]));
      case "applied" -> new MemberEvent.Applied(Long.parseLong(w[1]));
      case "state-asked" -> new MemberEvent.StateAsked(Simulation.TERM, Long.parseLong(w[1]));
      case "dismissed" -> new MemberEvent.Dismissed(Simulation.TERM, "the run has ended", false);
      default -> throw new IllegalArgumentException("a worker never hears " + w[0]);
    };
  }

  private static WorkerId worker(String name) {
    return new WorkerId(name, 1);
  }

  private static Generation generation(String word) {
    return new Generation(Long.parseLong(word.substring(1)));
  }

  // STEP [CHECKSUM [SLOT=EMBEDDINGS/LOSS/UPSTREAM/GRADIENT ...]]
  private static StepResult prepared(String[] w) {
    StepResult result = result(w[3], w.length > 4 ? Long.parseLong(w[4]) : CHECKSUM);
    List<SlotDigest> digests = Arrays.stream(w).skip(5).map(Conversation::digest).toList();
    return Changed.of(result, "digests", digests);
  }

  private static SlotDigest digest(String word) {
    String[] w = word.split("[=/]", -1);
    return new SlotDigest(
        Integer.parseInt(w[0]),
        Long.parseLong(w[1]),
        Long.parseLong(w[2]),
        Long.parseLong(w[3]),
        Long.parseLong(w[4]));
  }

  private static StepResult result(String step) {
    return result(step, CHECKSUM);
  }

  private static StepResult result(String step, long checksum) {
    return new StepResult(
        Long.parseLong(step), checksum, true, 1, new Scalars(1, 1, 0), new double[] {0.5}, 0);
  }

  private StepHeader header(long step) {
    int[] firstQuery = new int[slots + 1];
    for (int slot = 0; slot < slots; slot++) {
      firstQuery[slot + 1] = slot + 1;
    }
    return new StepHeader(step, 0, 1, firstQuery, new long[slots], new long[slots], 2, 2);
  }

  private static SlotBatch batch(long step, int slot) {
    return new SlotBatch(step, slot, slot, 1, 1, new int[2][2], new int[][] {{0, 1}}, 1);
  }

  private static String text(Effect effect) {
    return switch (effect) {
      case Effect.Welcome e -> "welcome " + e.worker().name();
      case Effect.Assign e ->
          "assign g%s from step %d%s:".formatted(e.generation(), e.firstStep(), text(e.recompute()))
              + e.shares().stream()
                  .map(s -> " %s[%d+%d]".formatted(s.worker().name(), s.firstSlot(), s.slots()))
                  .collect(Collectors.joining());
      case Effect.Recognize e -> "recognize " + e.worker().name();
      case Effect.AwaitRoster e -> "await the roster";
      case Effect.Teach e ->
          "teach %s by %s: lesson %d after g%s"
              .formatted(
                  e.learner().name(),
                  e.teachers().stream().map(WorkerId::name).toList(),
                  e.lesson(),
                  e.generation());
      case Effect.Snapshot e ->
          "snapshot %d, step %d, by %s"
              .formatted(e.number(), e.steps(), e.writers().stream().map(WorkerId::name).toList());
      case Effect.WriteManifest e ->
          "write the manifest of step %d: %s"
              .formatted(e.point().steps(), e.parts().stream().map(CheckpointPart::file).toList());
      case Effect.Abandon e -> "abandon the checkpoint of step " + e.steps();
      case Effect.Measure e -> "measure %d, step %d".formatted(e.number(), e.steps());
      case Effect.LeaveUnmeasured e ->
          "leave %d, step %d, unmeasured: %s".formatted(e.number(), e.steps(), e.why());
      case Effect.KeepCheckpoints e -> "keep the checkpoints of steps " + e.steps();
      case Effect.FindCheckpoint e -> "find a checkpoint";
      case Effect.Renounce e ->
          "renounce what was committed from step %d on".formatted(e.fromStep());
      case Effect.Rewind e ->
          "rewind to step %d, history %d".formatted(e.point().steps(), e.history());
      case Effect.Ledger e ->
          "ledger g%s step %d%s"
              .formatted(e.generation(), e.step(), e.due().isPresent() ? ", to be measured" : "");
      case Effect.Commit e -> "commit g%s step %d".formatted(e.generation(), e.step());
      case Effect.Write e ->
          "write: from step %d, length %d or more, %d tokens at most"
              .formatted(
                  e.cut().fromStep(), e.cut().limit().minTokens(), e.cut().limit().mostTokens());
      case Effect.Wait e -> "wait g" + e.generation();
      case Effect.AskState e -> "ask %s for step %d".formatted(e.worker().name(), e.steps());
      case Effect.Save e -> "save %s step %d".formatted(e.worker().name(), e.steps());
      case Effect.Miss e -> "miss %s, %d left".formatted(e.worker().name(), e.members());
      case Effect.Park e -> "park %s: %s".formatted(e.worker().name(), e.reason());
      case Effect.Refuse e -> "refuse %s: %s".formatted(e.worker().name(), e.reason());
      case Effect.Note e -> "note: " + e.sentence();
      case Effect.Dismiss e -> "dismiss %s: %s".formatted(e.worker().name(), e.reason());
      case Effect.Finish e -> "finish after %d%s".formatted(e.steps(), e.early() ? ", early" : "");
      case Effect.Fail e -> "fail: " + e.sentence();
      case Effect.Discard e -> "drop: " + e.why();
    };
  }

  private static String text(Recompute recompute) {
    return switch (recompute) {
      case MISSING -> "";
      case ALL -> " anew";
      case ALL_SHOWN -> " anew and shown";
    };
  }

  private static String text(MemberEffect effect) {
    return switch (effect) {
      case MemberEffect.StandBy e -> "stand by: " + e.reason();
      case MemberEffect.TellLeaving e -> "tell leaving";
      case MemberEffect.Load e -> "load";
      case MemberEffect.TellLoaded e -> "tell loaded";
      case MemberEffect.TellReturn e ->
          "tell return g%s step %d%s"
              .formatted(e.generation(), e.steps(), e.prepared().isPresent() ? ", prepared" : "");
      case MemberEffect.TellJoin e -> "tell join";
      case MemberEffect.Study e -> "study lesson %d of %d".formatted(e.lesson(), e.teachers());
      case MemberEffect.EndStudy e -> "end the lesson";
      case MemberEffect.Teach e ->
          "teach lesson %d, share %d of %d".formatted(e.lesson(), e.share(), e.shares());
      case MemberEffect.TellCaughtUp e ->
          "tell caught up by lesson %d, step %d".formatted(e.lesson(), e.steps());
      case MemberEffect.TellLessonLost e -> "tell lesson %d lost".formatted(e.lesson());
      case MemberEffect.BreakOff e -> "break off before g" + e.next();
      case MemberEffect.Meet e -> "meet g" + e.generation();
      case MemberEffect.Compute e ->
          "compute g%s step %d%s, slots %s"
              .formatted(
                  e.generation(),
                  e.header().step(),
                  text(e.recompute()),
                  e.own().stream().map(SlotBatch::slot).toList());
      case MemberEffect.TellPrepared e ->
          "tell prepared g%s step %d".formatted(e.generation(), e.result().step());
      case MemberEffect.TellMemoryShort e ->
          "tell memory short g%s step %d: %d rows of %d tokens"
              .formatted(e.generation(), e.step(), e.rows(), e.tokens());
      case MemberEffect.TellParted e -> "tell parted g" + e.generation();
      case MemberEffect.Apply e -> "apply " + e.step();
      case MemberEffect.Snapshot e ->
          "snapshot %d, step %d, share %d of %d"
              .formatted(e.number(), e.steps(), e.share(), e.shares());
      case MemberEffect.TellPartLost e -> "tell part lost of " + e.number();
      case MemberEffect.Offer e -> "offer step " + e.steps();
      case MemberEffect.TellBroken e -> "tell broken: " + e.sentence();
      case MemberEffect.Stop e -> (e.end().failed() ? "fail: " : "stop: ") + e.end().reason();
      case MemberEffect.Discard e -> "drop: " + e.why();
    };
  }
}
