package org.dunlin.coordinator.step;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.dunlin.coordinator.step.Audit.Round;
import org.dunlin.coordinator.step.Effect.Assign;
import org.dunlin.coordinator.step.Effect.Note;
import org.dunlin.coordinator.step.StepProtocol.Decision;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.SlotDigest.Stage;

/**
 * A run's audits. What a machine computes wrongly before the sum is in everybody's sum, so all
 * agree; but another machine does not compute the same. A step that is audited is therefore
 * computed twice before it counts, each slot by two members, and nothing is kept from the first
 * time.
 *
 * <p>If the two differ it is computed again in more rounds, which show what each stage of each slot
 * gave. Where three members compute a slot, whom the two others contradict computes wrongly, and is
 * fenced. If all rounds agree, a bit had flipped and the step counts.
 */
final class Auditing {
  /** Times that nobody can be named, after which the run fails. */
  static final int MOST_ATTEMPTS = 2;

  // Each slot's: so many members compute it in the rounds of an attempt.
  private static final int MOST_OWNERS = 3;

  private final AuditPlan plan;
  private final Roster roster;
  private final Ending ending;

  Auditing(AuditPlan plan, Roster roster, Ending ending) {
    this.plan = plan;
    this.roster = roster;
    this.ending = ending;
  }

  /** What an audit finds. */
  sealed interface Verdict {
    /** The step counts. */
    record Counts(List<Effect> notes) implements Verdict {}

    /** It does not yet. */
    record Goes(Decision decision) implements Verdict {}
  }

  /** Whether a step counts for which all are prepared with one checksum. */
  Verdict of(State state, long checksum) {
    int members = state.shares().size();
    if (!plan.audits(state.step()) || members == 1) {
      return new Verdict.Counts(List.of());
    }
    Audit audit = state.audit().with(Round.of(state, checksum));
    int rounds = audit.rounds().size();
    if (rounds == 1) {
      return next(state, audit, 1, Recompute.ALL, List.of());
    }
    int owners = Math.min(members, MOST_OWNERS);
    int shown = rounds - 2;
    if (shown == 0) {
      return agree(audit.rounds())
          ? new Verdict.Counts(List.of())
          : next(state, audit, 0, Recompute.ALL_SHOWN, List.of(differs(state, audit)));
    }
    if (shown % owners != 0) {
      return next(state, audit, shown % owners, Recompute.ALL_SHOWN, List.of());
    }
    return judge(state, audit, audit.last(owners), shown / owners);
  }

  private static boolean agree(List<Round> rounds) {
    return rounds.stream().map(Round::checksum).distinct().count() == 1;
  }

  private static Note differs(State state, Audit audit) {
    return new Note(
        "step %d is audited: its gradient became another one when each slot was computed by another worker (checksums %016x and %016x); it is computed again until it is clear who computes wrongly"
            .formatted(
                state.step(), audit.rounds().get(0).checksum(), audit.rounds().get(1).checksum()));
  }

  // Nobody gets back what it has computed: the first round's shares, each to a member further on.
  private static Verdict next(
      State state, Audit audit, int further, Recompute recompute, List<Effect> before) {
    List<Share> first = audit.rounds().get(0).shares();
    List<Share> shares = new ArrayList<>();
    for (int m = 0; m < first.size(); m++) {
      WorkerId owner = first.get((m + further) % first.size()).worker();
      shares.add(new Share(owner, first.get(m).firstSlot(), first.get(m).slots()));
    }
    Generation generation = state.generation().next();
    List<Effect> effects = new ArrayList<>(before);
    effects.add(new Assign(generation, state.step(), List.copyOf(shares), recompute));
    return new Verdict.Goes(
        new Decision(
            state.withGeneration(generation, List.copyOf(shares)).with(audit),
            List.copyOf(effects)));
  }

  private Verdict judge(State state, Audit audit, List<Round> rounds, int attempt) {
    if (agree(rounds)) {
      return new Verdict.Counts(
          List.of(
              new Note(
                  "step %d was computed %d times more, each slot by %d workers, and they agree: a bit had flipped in one of their memories"
                      .formatted(state.step(), rounds.size(), rounds.size()))));
    }
    Optional<Stage> stage = differing(rounds);
    Map<WorkerId, String> wrong = new LinkedHashMap<>();
    stage
        .filter(of -> of != Stage.UPSTREAM)
        .ifPresent(
            of -> slots(rounds).forEach(slot -> contradicted(state, rounds, of, slot, wrong)));
    if (!wrong.isEmpty()) {
      Decision decision = new Decision(state, List.of());
      for (Map.Entry<WorkerId, String> each : wrong.entrySet()) {
        decision = roster.fence(decision, each.getKey(), each.getValue());
      }
      return new Verdict.Goes(decision);
    }
    String sentence = sentence(state, rounds, stage);
    return attempt < MOST_ATTEMPTS
        ? next(
            state,
            audit,
            0,
            Recompute.ALL_SHOWN,
            List.of(new Note(sentence + "; it is computed again")))
        : new Verdict.Goes(ending.fail(state, sentence));
  }

  /** The first stage in which a slot is not the same in all rounds. */
  private static Optional<Stage> differing(List<Round> rounds) {
    for (Stage stage : Stage.values()) {
      if (slots(rounds).stream().anyMatch(slot -> !isSame(rounds, stage, slot))) {
        return Optional.of(stage);
      }
    }
    return Optional.empty();
  }

  private static SortedSet<Integer> slots(List<Round> rounds) {
    SortedSet<Integer> slots = new TreeSet<>();
    rounds.forEach(round -> slots.addAll(round.shown().keySet()));
    return slots;
  }

  private static boolean isSame(List<Round> rounds, Stage stage, int slot) {
    return rounds.stream()
            .map(round -> round.digest(slot).map(digest -> digest.of(stage)))
            .distinct()
            .count()
        == 1;
  }

  // By three or more, of whom more than half agree.
  private static void contradicted(
      State state, List<Round> rounds, Stage stage, int slot, Map<WorkerId, String> wrong) {
    for (Round round : rounds) {
      Optional<Long> own = round.digest(slot).map(digest -> digest.of(stage));
      List<Round> others =
          rounds.stream()
              .filter(other -> !other.digest(slot).map(digest -> digest.of(stage)).equals(own))
              .toList();
      boolean agree =
          others.stream()
                  .map(other -> other.digest(slot).map(digest -> digest.of(stage)))
                  .distinct()
                  .count()
              == 1;
      if (agree && 2 * others.size() > rounds.size()) {
        wrong.putIfAbsent(
            round.owner(slot),
            "computed slot %d of step %d otherwise than %s, from the %s on: its machine computes wrongly"
                .formatted(
                    slot,
                    state.step(),
                    others.stream()
                        .map(other -> other.owner(slot).toString())
                        .collect(Collectors.joining(" and ")),
                    stage.words()));
      }
    }
  }

  private static String sentence(State state, List<Round> rounds, Optional<Stage> stage) {
    Optional<Stage> named = stage.filter(of -> of != Stage.UPSTREAM);
    if (named.isEmpty()) {
      return "step %d: its gradient comes out otherwise each time it is computed, although what goes into its sums is the same: one of the machines of %s adds wrongly"
          .formatted(
              state.step(),
              state.shares().stream()
                  .map(share -> share.worker().toString())
                  .sorted()
                  .collect(Collectors.joining(" and ")));
    }
    int slot =
        slots(rounds).stream()
            .filter(s -> !isSame(rounds, named.get(), s))
            .findFirst()
            .orElseThrow();
    return "step %d: slot %d comes out otherwise when another worker computes it, from the %s on (%s): one of these machines computes wrongly"
        .formatted(
            state.step(),
            slot,
            named.get().words(),
            rounds.stream()
                .map(
                    round ->
                        "%s: %s"
                            .formatted(
                                round.owner(slot),
                                round
                                    .digest(slot)
                                    .map(digest -> "%016x".formatted(digest.of(named.get())))
                                    .orElse("none")))
                .collect(Collectors.joining(", ")));
  }
}
