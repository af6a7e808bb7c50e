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
  private final MemberProtocol protocol = new MemberProtocol();
  private MemberState state = MemberState.initial();
  private long parameters = 17;
  private long applied;
  private long prepared;
  private boolean alive = true;

  SimulatedWorker(WorkerId id, Simulation simulation) {
    this.id = id;
    this.simulation = simulation;
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

  void on(MemberEvent event) {
    if (!alive) {
      return;
    }
    MemberProtocol.Decision decision = protocol.next(state, event);
    state = decision.next();
    decision.effects().forEach(this::carryOut);
  }

  private void carryOut(MemberEffect effect) {
    switch (effect) {
      case MemberEffect.Load e -> simulation.later(() -> on(new MemberEvent.StateLoaded()));
      case MemberEffect.TellLoaded e ->
          simulation.send(() -> simulation.coordinator(new Event.Loaded(id, e.term())));
      case MemberEffect.BreakOff e -> {} // what it was waiting for is of an older generation
      case MemberEffect.Meet e -> {
        simulation.feed(id, e.generation());
        simulation.invariants().meeting(simulation, this, e.generation());
      }
      case MemberEffect.Compute e -> compute(e);
      case MemberEffect.TellMemoryShort e ->
          simulation.send(
              () ->
                  simulation.coordinator(
                      new Event.MemoryShort(
                          id, e.term(), e.generation(), e.step(), e.rows(), e.tokens())));
      case MemberEffect.TellParted e ->
          simulation.send(
              () -> simulation.coordinator(new Event.Parted(id, e.term(), e.generation())));
      case MemberEffect.TellPrepared e -> {
        simulation.invariants().prepared(id, e);
        simulation.send(
            () ->
                simulation.coordinator(
                    new Event.Prepared(id, e.term(), e.generation(), e.result())));
      }
      case MemberEffect.Apply e -> simulation.later(() -> apply(e.step()));
      case MemberEffect.Offer e ->
          simulation.send(() -> simulation.coordinator(new Event.Offered(id, e.term(), e.steps())));
      case MemberEffect.TellBroken e -> throw new AssertionError(e.sentence());
      case MemberEffect.Stop e -> {}
      case MemberEffect.Discard e -> simulation.countDiscard();
    }
  }

  private void compute(MemberEffect.Compute compute) {
    long step = compute.header().step();
    for (SlotBatch batch : compute.own()) {
      int rows = batch.microBatches()[0].length;
      if (!simulation.fits(step, rows)) {
        simulation.later(
            () ->
                on(
                    new MemberEvent.MemoryShort(
                        compute.generation(), step, rows, batch.paddedTokens(0))));
        return;
      }
    }
    simulation.invariants().computing(simulation, this, compute, () -> computed(compute));
  }

  void parted(Generation generation) {
    simulation.later(() -> on(new MemberEvent.Parted(generation, "a peer is gone")));
  }

  private void computed(MemberEffect.Compute compute) {
    if (!alive) {
      return;
    }
    prepared = simulation.invariants().reduced(compute.generation(), compute.header().step());
    on(
        new MemberEvent.Computed(
            compute.generation(),
            new StepResult(
                compute.header().step(),
                prepared,
                true,
                1,
                new Scalars(applied + 1, 1, 0),
                new double[0])));
  }

  private void apply(long step) {
    if (!alive) {
      return;
    }
    simulation.invariants().applying(id, step, applied, prepared);
    parameters = Invariants.hash(parameters, prepared);
    applied++;
    on(new MemberEvent.Applied(step));
  }
}
