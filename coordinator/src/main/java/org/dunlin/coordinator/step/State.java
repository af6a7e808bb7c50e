package org.dunlin.coordinator.step;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.StepResult;

/**
 * Where a run is. Immutable; only {@link StepProtocol} makes a next one.
 *
 * @param phase what is being waited for
 * @param generation 0 until all workers are there
 * @param step the lowest uncommitted one; equals the number of committed steps
 * @param joined workers that are there
 * @param loaded those of them that hold the state
 * @param shares of the generation's members
 * @param prepared results of the lowest uncommitted step, by member
 * @param awaited a record that is being made durable, before which nothing is computed
 * @param source who was asked for the parameters, while they are being saved
 * @param stopAsked whether a person wants the run to end
 * @param notFinite how the last committed steps went wrong
 * @param retries attempts in a row that parted or broke although nobody was lost
 */
public record State(
    Phase phase,
    Generation generation,
    long step,
    SortedSet<WorkerId> joined,
    SortedSet<WorkerId> loaded,
    List<Share> shares,
    Map<WorkerId, StepResult> prepared,
    Optional<CutRecord> awaited,
    Optional<WorkerId> source,
    boolean stopAsked,
    NotFinite notFinite,
    int retries) {

  /** What is being waited for. */
  public enum Phase {
    /** All workers, with the state. */
    ASSEMBLING,
    /** All members' word that they are prepared. */
    STEPPING,
    /** The parameters, on their way from a member to the disk. */
    SAVING,
    /** Nothing. */
    ENDED
  }

  /** Before anything has happened. */
  public static State initial() {
    return new State(
        Phase.ASSEMBLING,
        new Generation(0),
        0,
        new TreeSet<>(),
        new TreeSet<>(),
        List.of(),
        Map.of(),
        Optional.empty(),
        Optional.empty(),
        false,
        NotFinite.NONE,
        0);
  }

  State withPhase(Phase next) {
    return new State(
        next,
        generation,
        step,
        joined,
        loaded,
        shares,
        prepared,
        awaited,
        source,
        stopAsked,
        notFinite,
        retries);
  }

  State withJoined(WorkerId worker) {
    return new State(
        phase,
        generation,
        step,
        plus(joined, worker),
        loaded,
        shares,
        prepared,
        awaited,
        source,
        stopAsked,
        notFinite,
        retries);
  }

  State withLoaded(WorkerId worker) {
    return new State(
        phase,
        generation,
        step,
        joined,
        plus(loaded, worker),
        shares,
        prepared,
        awaited,
        source,
        stopAsked,
        notFinite,
        retries);
  }

  /** Without a worker, wherever it was; the others may be luckier. */
  State without(WorkerId worker) {
    return new State(
        phase,
        generation,
        step,
        minus(joined, worker),
        minus(loaded, worker),
        shares,
        prepared,
        awaited,
        source,
        stopAsked,
        notFinite,
        0);
  }

  State withGeneration(Generation next, List<Share> nextShares) {
    return new State(
        Phase.STEPPING,
        next,
        step,
        joined,
        loaded,
        nextShares,
        Map.of(),
        Optional.empty(),
        source,
        stopAsked,
        notFinite,
        retries);
  }

  State withPrepared(WorkerId worker, StepResult result) {
    Map<WorkerId, StepResult> more = new TreeMap<>(prepared);
    more.put(worker, result);
    return new State(
        phase,
        generation,
        step,
        joined,
        loaded,
        shares,
        more,
        awaited,
        source,
        stopAsked,
        notFinite,
        retries);
  }

  State withAwaited(CutRecord cut) {
    return new State(
        phase,
        generation,
        step,
        joined,
        loaded,
        shares,
        prepared,
        Optional.of(cut),
        source,
        stopAsked,
        notFinite,
        retries);
  }

  State withCommitted(NotFinite now) {
    return new State(
        phase,
        generation,
        step + 1,
        joined,
        loaded,
        shares,
        Map.of(),
        awaited,
        source,
        stopAsked,
        now,
        0);
  }

  State withSource(WorkerId worker) {
    return new State(
        Phase.SAVING,
        generation,
        step,
        joined,
        loaded,
        shares,
        prepared,
        awaited,
        Optional.of(worker),
        stopAsked,
        notFinite,
        retries);
  }

  State withoutSource() {
    return new State(
        phase,
        generation,
        step,
        joined,
        loaded,
        shares,
        prepared,
        awaited,
        Optional.empty(),
        stopAsked,
        notFinite,
        retries);
  }

  State withStopAsked() {
    return new State(
        phase,
        generation,
        step,
        joined,
        loaded,
        shares,
        prepared,
        awaited,
        source,
        true,
        notFinite,
        retries);
  }

  State withRetry() {
    return new State(
        phase,
        generation,
        step,
        joined,
        loaded,
        shares,
        prepared,
        awaited,
        source,
        stopAsked,
        notFinite,
        retries + 1);
  }

  boolean isMember(WorkerId worker) {
    return shares.stream().anyMatch(share -> share.worker().equals(worker));
  }

  private static SortedSet<WorkerId> plus(SortedSet<WorkerId> set, WorkerId worker) {
    SortedSet<WorkerId> more = new TreeSet<>(set);
    more.add(worker);
    return more;
  }

  private static SortedSet<WorkerId> minus(SortedSet<WorkerId> set, WorkerId worker) {
    SortedSet<WorkerId> fewer = new TreeSet<>(set);
    fewer.remove(worker);
    return fewer;
  }
}
