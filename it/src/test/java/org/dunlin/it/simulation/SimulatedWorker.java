package org.dunlin.it.simulation;

import org.dunlin.coordinator.step.Event;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.Scalars;
import org.dunlin.worker.member.MemberEffect;
import org.dunlin.worker.member.MemberEvent;
import org.dunlin.worker.member.MemberProtocol;
import org.dunlin.worker.member.MemberState;

/** A worker whose gradients are hashes: production's protocol around a make-believe device. */
final class SimulatedWorker {
  private final WorkerId id;
  private final Simulation simulation;
  private final Minds minds;
  private final MemberProtocol protocol = new MemberProtocol();
  private MemberState state = MemberState.initial();
  private Generation newest = new Generation(0);
  private long parameters = Invariants.INITIAL_PARAMETERS;
  private long applied;
  private long prepared;
  private boolean alive = true;
  private long wakesAt;

  SimulatedWorker(WorkerId id, Simulation simulation, Minds minds) {
    this.id = id;
    this.simulation = simulation;
    this.minds = minds;
  }

  WorkerId id() {
    return id;
  }

  long parameters() {
    return parameters;
  }

  long applied() {
    return applied;
  }

  boolean isAlive() {
    return alive;
  }

  void kill() {
    alive = false;
  }

  /** Until then everything that reaches it waits. */
  void hangUntil(long tick) {
    wakesAt = Math.max(wakesAt, tick);
  }

  void on(MemberEvent event) {
    whenAwake(
        () -> {
          MemberProtocol.Decision decision = minds.member(protocol, state, event);
          state = decision.next();
          decision.effects().forEach(this::carryOut);
        });
  }

  private void whenAwake(Runnable action) {
    if (!alive) {
      return;
    }
    if (simulation.now() < wakesAt) {
      simulation.at(wakesAt, () -> whenAwake(action));
      return;
    }
    action.run();
  }

  private void carryOut(MemberEffect effect) {
    switch (effect) {
      case MemberEffect.StandBy e -> {}
      case MemberEffect.TellLeaving e -> {}
      case MemberEffect.Load e -> simulation.later(() -> on(new MemberEvent.StateLoaded("probe")));
      case MemberEffect.TellLoaded e ->
          simulation.tellCoordinator(id, new Event.Loaded(id, e.term(), e.probe()));
      case MemberEffect.BreakOff e -> simulation.invariants().brokenOff(id, e.next());
      case MemberEffect.Meet e -> meet(e.generation());
      case MemberEffect.Compute e -> compute(e);
      case MemberEffect.TellMemoryShort e ->
          simulation.tellCoordinator(
              id,
              new Event.MemoryShort(id, e.term(), e.generation(), e.step(), e.rows(), e.tokens()));
      case MemberEffect.TellParted e ->
          simulation.tellCoordinator(id, new Event.Parted(id, e.term(), e.generation()));
      case MemberEffect.TellPrepared e -> {
        simulation.invariants().prepared(id, e);
        simulation.tellCoordinator(
            id, new Event.Prepared(id, e.term(), e.generation(), e.result()));
      }
      case MemberEffect.Apply e -> simulation.later(() -> whenAwake(() -> apply(e.step())));
      case MemberEffect.Offer e -> {
        Invariants.check(
            applied == e.steps(),
            "%s offers its state after %d steps as that after %d"
                .formatted(id, applied, e.steps()));
        simulation.offered(id, e.term(), e.steps(), parameters);
      }
      case MemberEffect.TellBroken e -> throw new AssertionError(id + ": " + e.sentence());
      case MemberEffect.Stop e -> {}
      case MemberEffect.Discard e -> simulation.countDiscard();
    }
  }

  private void meet(Generation generation) {
    Invariants.check(
        generation.compareTo(newest) > 0, id + " goes back to generation " + generation);
    newest = generation;
    simulation.feed(id, generation);
    simulation.invariants().meeting(this, generation);
  }

  private void compute(MemberEffect.Compute compute) {
    long step = compute.header().step();
    for (SlotBatch batch : compute.own()) {
      int rows = batch.microBatches()[0].length;
      if (!simulation.fits(id, step, rows)) {
        simulation.later(
            () ->
                on(
                    new MemberEvent.MemoryShort(
                        compute.generation(), step, rows, batch.paddedTokens(0))));
        return;
      }
    }
    simulation.invariants().computing(this, compute, () -> whenAwake(() -> computed(compute)));
  }

  void parted(Generation generation) {
    simulation.later(() -> on(new MemberEvent.Parted(generation, "a peer is gone")));
  }

  private void computed(MemberEffect.Compute compute) {
    long step = compute.header().step();
    prepared = simulation.invariants().reduced(compute.generation(), step);
    on(
        new MemberEvent.Computed(
            compute.generation(),
            new StepResult(
                step,
                simulation.reported(id, step, prepared),
                true,
                1,
                new Scalars(applied + 1, 1, 0),
                new double[0],
                simulation.busyMs(id, step, compute.own().size()))));
  }

  private void apply(long step) {
    simulation.invariants().applying(id, step, applied, prepared);
    parameters = Invariants.hash(parameters, prepared);
    applied++;
    on(new MemberEvent.Applied(step));
  }
}
