package org.dunlin.coordinator.step;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import org.dunlin.coordinator.step.Effect.AskState;
import org.dunlin.coordinator.step.Effect.AwaitRoster;
import org.dunlin.coordinator.step.Effect.Note;
import org.dunlin.coordinator.step.Effect.Recognize;
import org.dunlin.coordinator.step.Effect.Refuse;
import org.dunlin.coordinator.step.Event.Returned;
import org.dunlin.coordinator.step.State.Phase;
import org.dunlin.coordinator.step.StepProtocol.Decision;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;

/**
 * How a coordinator goes on where an earlier one died. Its members come back with what they have;
 * those that hold the most go on from there, and the others learn from them.
 *
 * <p>A step that is in the ledger counts. Who is prepared for it with the ledger's checksum applies
 * it, as if told by the dead one. If nobody holds it any more it is computed again, to the same
 * bits, and enters the ledger once more, which counts it once.
 */
final class Succession {
  private final Term term;
  private final Past past;
  private final Roster roster;
  private final Checkpoints checkpoints;
  private final Ending ending;

  Succession(Term term, Past past, Roster roster, Checkpoints checkpoints, Ending ending) {
    this.term = term;
    this.past = past;
    this.roster = roster;
    this.checkpoints = checkpoints;
    this.ending = ending;
  }

  Decision returned(State state, Returned event) {
    if (state.phase() != Phase.GATHERING) {
      return state.joined().contains(event.worker())
          ? Ending.discard(state, event, "it is there already")
          : new Decision(
              state,
              List.of(
                  new Refuse(
                      event.worker(), "it came back too late, and the run goes on without it")));
    }
    if (event.generation().compareTo(past.since()) < 0) {
      return new Decision(
          state,
          List.of(
              new Refuse(
                  event.worker(), "it holds a state of steps that have become others since")));
    }
    List<Effect> effects = new ArrayList<>(List.of(new Recognize(event.worker())));
    if (state.returned().isEmpty()) {
      effects.add(new AwaitRoster());
    }
    State next = state.withReturned(event);
    List<WorkerId> all = newest(next).roster();
    return !all.isEmpty() && next.returned().keySet().containsAll(all)
        ? goOn(next, effects)
        : new Decision(next, List.copyOf(effects));
  }

  Decision waited(State state, Event event) {
    if (state.phase() != Phase.GATHERING) {
      return Ending.discard(state, event, "the run goes on already");
    }
    return state.returned().isEmpty()
        ? checkpoints.rewind(
            state,
            List.of(),
            "the coordinator of term %s found no worker of those that held the state after %d steps"
                .formatted(term, past.steps()))
        : goOn(state, List.of());
  }

  private static Returned newest(State state) {
    return state.returned().values().stream()
        .max(Comparator.comparing(Returned::generation))
        .orElseThrow();
  }

  private Decision goOn(State state, List<Effect> before) {
    long most = state.returned().values().stream().mapToLong(this::held).max().orElseThrow();
    SortedSet<WorkerId> members = new TreeSet<>();
    List<Effect> effects = new ArrayList<>(before);
    for (Returned one : state.returned().values()) {
      if (held(one) == most) {
        members.add(one.worker());
      } else {
        effects.add(
            new Refuse(
                one.worker(),
                "it holds the state after %d steps, and others that after %d"
                    .formatted(held(one), most)));
      }
    }
    effects.add(
        new Note(
            "the coordinator of term %s goes on after %d steps with %d worker%s"
                .formatted(term, most, members.size(), members.size() == 1 ? "" : "s")));
    String probe = state.returned().get(members.first()).probe();
    State gathered = state.withGathered(most, members, probe);
    if (!ending.isDone(gathered)) {
      return roster.assign(gathered, effects);
    }
    // The generation lets those apply the last step that have not yet; there is no next one.
    Decision assigned = roster.assign(gathered, effects);
    List<Effect> all = new ArrayList<>(assigned.effects());
    all.add(new AskState(members.first(), most));
    return new Decision(assigned.next().withSource(members.first()), List.copyOf(all));
  }

  /** The steps that a worker's state will have seen once it has applied what counts. */
  private long held(Returned one) {
    boolean isLast =
        one.steps() == past.steps() - 1
            && one.prepared()
                .filter(result -> result.step() == one.steps())
                .filter(result -> result.checksum() == past.checksum())
                .isPresent();
    return one.steps() + (isLast ? 1 : 0);
  }
}
