package org.dunlin.it.simulation;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.dunlin.coordinator.step.Audit;
import org.dunlin.coordinator.step.Checkpointing;
import org.dunlin.coordinator.step.CutRecord;
import org.dunlin.coordinator.step.Effect;
import org.dunlin.coordinator.step.Event;
import org.dunlin.coordinator.step.Share;
import org.dunlin.coordinator.step.State;
import org.dunlin.coordinator.step.StepProtocol;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.worker.member.MemberEffect;
import org.dunlin.worker.member.MemberEvent;
import org.dunlin.worker.member.MemberProtocol;
import org.dunlin.worker.member.MemberState;

/**
 * Deliberate bugs, each a wrong word put around production's protocols. The simulation must catch
 * every one of them: that is what its green seeds are worth.
 */
enum Mutation implements Minds {
  /** One member's word is missing. */
  COMMIT_BEFORE_ALL_ARE_PREPARED {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      StepProtocol.Decision first = real.next(state, event);
      int missing = first.next().shares().size() - first.next().prepared().size();
      if (!(event instanceof Event.Prepared prepared)
          || !first.effects().isEmpty()
          || missing != 1) {
        return first;
      }
      WorkerId last =
          first.next().shares().stream()
              .map(Share::worker)
              .filter(worker -> !first.next().prepared().containsKey(worker))
              .findFirst()
              .orElseThrow();
      return real.next(
          first.next(),
          new Event.Prepared(last, prepared.term(), prepared.generation(), prepared.result()));
    }
  },

  STALE_GENERATION_IS_PREPARED {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      return real.next(
          state,
          event instanceof Event.Prepared p
              ? new Event.Prepared(p.worker(), p.term(), state.generation(), p.result())
              : event);
    }
  },

  STALE_STEP_IS_PREPARED {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      return real.next(
          state,
          event instanceof Event.Prepared p
              ? new Event.Prepared(
                  p.worker(), p.term(), p.generation(), at(p.result(), state.step()))
              : event);
    }
  },

  PREPARED_IS_KEPT_ACROSS_GENERATIONS {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      StepProtocol.Decision decision = real.next(state, event);
      if (decision.effects().stream().noneMatch(Effect.Assign.class::isInstance)) {
        return decision;
      }
      Map<WorkerId, StepResult> kept = new TreeMap<>(state.prepared());
      kept.keySet().retainAll(decision.next().loaded());
      return new StepProtocol.Decision(
          Changed.of(decision.next(), "prepared", kept), decision.effects());
    }
  },

  CHECKSUMS_ARE_NOT_COMPARED {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      return real.next(
          state,
          event instanceof Event.Prepared p && !state.prepared().isEmpty()
              ? new Event.Prepared(
                  p.worker(),
                  p.term(),
                  p.generation(),
                  checked(p.result(), state.prepared().values().iterator().next().checksum()))
              : event);
    }
  },

  COMMIT_OF_ANOTHER_STEP {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      return rewritten(
          real.next(state, event),
          effect ->
              effect instanceof Effect.Commit c && c.step() > 0
                  ? Changed.of(c, "step", c.step() - 1)
                  : effect);
    }
  },

  RECORD_IS_NOT_AWAITED {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      StepProtocol.Decision first = real.next(state, event);
      Optional<CutRecord> cut = first.next().awaited();
      if (cut.isEmpty() || state.awaited().isPresent()) {
        return first;
      }
      StepProtocol.Decision then = real.next(first.next(), new Event.Recorded(cut.get()));
      return new StepProtocol.Decision(
          then.next(), List.of(first.effects().get(0), then.effects().get(0)));
    }
  },

  RECORD_HOLDS_FROM_THE_NEXT_STEP {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      StepProtocol.Decision decision = real.next(state, event);
      if (decision.effects().size() != 1
          || !(decision.effects().get(0) instanceof Effect.Write write)) {
        return decision;
      }
      CutRecord late = new CutRecord(write.cut().fromStep() + 1, write.cut().limit());
      return new StepProtocol.Decision(
          Changed.of(decision.next(), "awaited", Optional.of(late)),
          List.of(new Effect.Write(late)));
    }
  },

  LOST_WORKER_STAYS_IN_THE_ROSTER {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      return real.next(
          state,
          event instanceof Event.Lost && state.phase() == State.Phase.STEPPING
              ? new Event.Waited(state.generation())
              : event);
    }
  },

  LOST_WORKER_IS_WAITED_FOR {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      return event instanceof Event.Lost && state.phase() == State.Phase.STEPPING
          ? new StepProtocol.Decision(state, List.of())
          : real.next(state, event);
    }
  },

  LOST_SOURCE_IS_WAITED_FOR {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      return event instanceof Event.Lost && state.phase() == State.Phase.SAVING
          ? new StepProtocol.Decision(state, List.of())
          : real.next(state, event);
    }
  },

  PARTED_GENERATION_IS_LEFT_ALONE {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      return event instanceof Event.Waited
          ? new StepProtocol.Decision(state, List.of())
          : real.next(state, event);
    }
  },

  GENERATION_BEGINS_WITH_THE_NEXT_STEP {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      return rewritten(
          real.next(state, event),
          effect ->
              effect instanceof Effect.Assign a
                  ? Changed.of(a, "firstStep", a.firstStep() + 1)
                  : effect);
    }
  },

  GENERATION_KEEPS_ITS_NUMBER {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      return rewritten(
          real.next(state, event),
          effect ->
              effect instanceof Effect.Assign a && state.generation().number() > 0
                  ? Changed.of(a, "generation", state.generation())
                  : effect);
    }
  },

  A_SLOT_HAS_NO_OWNER {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      return rewritten(
          real.next(state, event),
          effect ->
              effect instanceof Effect.Assign a && a.generation().number() > 1
                  ? Changed.of(a, "shares", firstIsShort(a.shares()))
                  : effect);
    }
  },

  STATE_OF_THE_STEP_BEFORE_IS_SAVED {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      return rewritten(
          real.next(state, event),
          effect ->
              effect instanceof Effect.AskState a
                  ? new Effect.AskState(a.worker(), a.steps() - 1)
                  : effect);
    }
  },

  APPLIED_BEFORE_THE_COMMIT {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      MemberProtocol.Decision first = real.next(state, event);
      if (first.next().phase() != MemberState.Phase.PREPARED
          || state.phase() == MemberState.Phase.PREPARED) {
        return first;
      }
      MemberProtocol.Decision then =
          real.next(
              first.next(),
              new MemberEvent.Committed(
                  Simulation.TERM, first.next().generation(), first.next().step()));
      return new MemberProtocol.Decision(
          then.next(), List.of(first.effects().get(0), then.effects().get(0)));
    }
  },

  ANY_COMMIT_IS_FOR_THE_PREPARED_STEP {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return real.next(
          state,
          event instanceof MemberEvent.Committed c
              ? new MemberEvent.Committed(c.term(), c.generation(), state.step())
              : event);
    }
  },

  STALE_FEED_IS_TAKEN {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return real.next(
          state,
          event instanceof MemberEvent.Fed f
              ? new MemberEvent.Fed(state.generation(), f.item())
              : event);
    }
  },

  FEED_IS_KEPT_ACROSS_GENERATIONS {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      MemberProtocol.Decision decision = real.next(state, event);
      MemberState next = decision.next();
      return next.phase() == MemberState.Phase.MEETING && event instanceof MemberEvent.Assigned
          ? new MemberProtocol.Decision(Changed.of(next, "fed", state.fed()), decision.effects())
          : decision;
    }
  },

  ASSIGN_IS_DROPPED_WHILE_APPLYING {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return event instanceof MemberEvent.Assigned && state.phase() == MemberState.Phase.APPLYING
          ? new MemberProtocol.Decision(state, List.of())
          : real.next(state, event);
    }
  },

  OLDER_GENERATION_IS_BEGUN {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return real.next(
          event instanceof MemberEvent.Assigned && state.next().isEmpty()
              ? Changed.of(state, "generation", new Generation(0))
              : state,
          event);
    }
  },

  OVERTAKEN_COMMIT_IS_FORGOTTEN {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return real.next(
          state,
          event instanceof MemberEvent.Assigned a && state.phase() == MemberState.Phase.PREPARED
              ? Changed.of(a, "firstStep", state.step())
              : event);
    }
  },

  PARTING_IS_NOT_TOLD {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return silent(real.next(state, event), MemberEffect.TellParted.class);
    }
  },

  SHORT_MEMORY_IS_NOT_TOLD {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return silent(real.next(state, event), MemberEffect.TellMemoryShort.class);
    }
  },

  LEDGER_IS_NOT_AWAITED {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      StepProtocol.Decision first = real.next(state, event);
      if (!first.next().committing() || state.committing()) {
        return first;
      }
      StepProtocol.Decision then = real.next(first.next(), new Event.Ledgered(state.step(), false));
      return new StepProtocol.Decision(
          then.next(), Stream.concat(first.effects().stream(), then.effects().stream()).toList());
    }
  },

  LEARNER_TAKES_PART_AT_ONCE {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      StepProtocol.Decision first = real.next(state, event);
      if (!(event instanceof Event.Joined joined)
          || first.effects().stream().noneMatch(Effect.Teach.class::isInstance)) {
        return first;
      }
      long lesson = first.next().lessonsBegun();
      Event early =
          new Event.CaughtUp(joined.worker(), Simulation.TERM, lesson, state.step(), "probe");
      return new StepProtocol.Decision(real.next(first.next(), early).next(), first.effects());
    }
  },

  HALF_A_STATE_IS_WHOLE {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return real.next(
          state,
          event instanceof MemberEvent.Followed f
              ? new MemberEvent.Followed(f.lesson(), f.steps(), true, f.probe())
              : event);
    }
  },

  LOST_LESSON_IS_NOT_TOLD {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return silent(real.next(state, event), MemberEffect.TellLessonLost.class);
    }
  },

  LEAVER_IS_SENT_AWAY_AT_ONCE {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      StepProtocol.Decision first = real.next(state, event);
      if (!(event instanceof Event.LeaveAsked leave) || !state.isMember(leave.worker())) {
        return first;
      }
      return new StepProtocol.Decision(
          first.next(), List.of(new Effect.Dismiss(leave.worker(), "it was asked to leave")));
    }
  },

  SUCCESSOR_TAKES_ANY_STATE {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      return real.next(
          state,
          event instanceof Event.Returned r && state.phase() == State.Phase.GATHERING
              ? Changed.of(r, "steps", state.step())
              : event);
    }
  },

  SUCCESSOR_COUNTS_GENERATIONS_ANEW {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      return real.next(
          state.phase() == State.Phase.GATHERING
              ? Changed.of(state, "generation", new Generation(0))
              : state,
          event);
    }
  },

  SUCCESSOR_IS_NOT_HEARD {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return event instanceof MemberEvent.CoordinatorChanged
          ? new MemberProtocol.Decision(state, List.of())
          : real.next(state, event);
    }
  },

  STATE_IS_OFFERED_BEFORE_THE_UPDATE {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return event instanceof MemberEvent.StateAsked a && a.steps() == state.step() + 1
          ? new MemberProtocol.Decision(state, List.of(new MemberEffect.Offer(a.term(), a.steps())))
          : real.next(state, event);
    }
  },

  /** One member's share is missing. */
  MANIFEST_BEFORE_ALL_PARTS {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      StepProtocol.Decision first = real.next(state, event);
      Optional<Checkpointing.Pending> pending = first.next().checkpoints().pending();
      if (!(event instanceof Event.PartWritten)
          || pending.filter(one -> one.waited().size() == 1).isEmpty()) {
        return first;
      }
      List<Effect> more = new ArrayList<>(first.effects());
      more.add(new Effect.WriteManifest(pending.get().point(), pending.get().parts()));
      return new StepProtocol.Decision(first.next(), more);
    }
  },

  PART_OF_ANOTHER_CHECKPOINT_COUNTS {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      Optional<Checkpointing.Pending> pending = state.checkpoints().pending();
      return real.next(
          state,
          event instanceof Event.PartWritten p && pending.isPresent()
              ? Changed.of(p, "number", pending.get().number())
              : event);
    }
  },

  SNAPSHOT_IS_TOO_LATE {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return event instanceof MemberEvent.CheckpointAsked a && a.steps() < state.step()
          ? new MemberProtocol.Decision(
              state,
              List.of(
                  new MemberEffect.Snapshot(
                      a.term(), a.number(), a.steps(), a.share(), a.shares())))
          : real.next(state, event);
    }
  },

  OTHER_BITS_ARE_COMMITTED_AGAIN {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      StepProtocol.Decision first = real.next(state, event);
      return new StepProtocol.Decision(
          first.next(),
          first.effects().stream().filter(e -> !(e instanceof Effect.Renounce)).toList());
    }
  },

  LOST_PART_IS_NOT_TOLD {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return silent(real.next(state, event), MemberEffect.TellPartLost.class);
    }
  },

  SECOND_REQUEST_FOR_THE_STATE_IS_DROPPED {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return event instanceof MemberEvent.StateAsked a && state.stateAsked() >= a.steps()
          ? new MemberProtocol.Decision(state, List.of())
          : real.next(state, event);
    }
  },

  AUDIT_KEEPS_WHAT_WAS_COMPUTED {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return real.next(
          state,
          event instanceof MemberEvent.Assigned a
              ? Changed.of(a, "recompute", Recompute.MISSING)
              : event);
    }
  },

  /** Who lies does so twice. */
  AUDIT_WITH_THE_SAME_OWNERS {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      StepProtocol.Decision first = real.next(state, event);
      List<Audit.Round> rounds = first.next().audit().rounds();
      if (rounds.isEmpty()) {
        return first;
      }
      List<Share> same = rounds.get(0).shares();
      return rewritten(
          new StepProtocol.Decision(Changed.of(first.next(), "shares", same), first.effects()),
          effect -> effect instanceof Effect.Assign a ? Changed.of(a, "shares", same) : effect);
    }
  },

  AUDIT_IS_NOT_COMPARED {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      List<Audit.Round> rounds = state.audit().rounds();
      return real.next(
          state,
          event instanceof Event.Prepared p && !rounds.isEmpty()
              ? Changed.of(p, "result", checked(p.result(), rounds.get(0).checksum()))
              : event);
    }
  },

  AUDIT_GOES_ON_WITH_OTHER_MEMBERS {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      StepProtocol.Decision first = real.next(state, event);
      boolean isLoss = event instanceof Event.Lost && first.next().step() == state.step();
      return isLoss
          ? new StepProtocol.Decision(
              Changed.of(first.next(), "audit", state.audit()), first.effects())
          : first;
    }
  },

  AUDIT_IS_NOT_SHOWN {
    @Override
    public MemberProtocol.Decision member(
        MemberProtocol real, MemberState state, MemberEvent event) {
      return real.next(
          state,
          event instanceof MemberEvent.Assigned a && a.recompute() == Recompute.ALL_SHOWN
              ? Changed.of(a, "recompute", Recompute.ALL)
              : event);
    }
  },

  AUDIT_COUNTS_WITHOUT_A_SECOND_TIME {
    @Override
    public StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
      boolean isLast =
          event instanceof Event.Prepared
              && state.audit().rounds().isEmpty()
              && state.prepared().size() == state.shares().size() - 1;
      return real.next(
          isLast
              ? Changed.of(
                  state,
                  "audit",
                  new Audit(
                      List.of(
                          new Audit.Round(
                              state.shares(),
                              ((Event.Prepared) event).result().checksum(),
                              Map.of()))))
              : state,
          event);
    }
  };

  private static StepResult at(StepResult r, long step) {
    return Changed.of(r, "step", step);
  }

  private static StepResult checked(StepResult r, long checksum) {
    return Changed.of(r, "checksum", checksum);
  }

  private static List<Share> firstIsShort(List<Share> shares) {
    Share first = shares.get(0);
    List<Share> all = new ArrayList<>(shares);
    all.set(0, new Share(first.worker(), first.firstSlot(), first.slots() - 1));
    return List.copyOf(all);
  }

  private static StepProtocol.Decision rewritten(
      StepProtocol.Decision decision, UnaryOperator<Effect> rewrite) {
    return new StepProtocol.Decision(
        decision.next(), decision.effects().stream().map(rewrite).toList());
  }

  private static MemberProtocol.Decision silent(
      MemberProtocol.Decision decision, Class<? extends MemberEffect> about) {
    return new MemberProtocol.Decision(
        decision.next(), decision.effects().stream().filter(e -> !about.isInstance(e)).toList());
  }
}
