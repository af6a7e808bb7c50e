package org.dunlin.it.simulation;

import org.dunlin.coordinator.step.Event;
import org.dunlin.protocol.WorkerId;
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

  void on(MemberEvent event) {
    MemberProtocol.Decision decision = protocol.next(state, event);
    state = decision.next();
    decision.effects().forEach(this::carryOut);
  }

  private void carryOut(MemberEffect effect) {
    switch (effect) {
      case MemberEffect.Load e -> simulation.later(() -> on(new MemberEvent.StateLoaded()));
      case MemberEffect.TellLoaded e ->
          simulation.send(() -> simulation.coordinator(new Event.Loaded(id, e.term())));
      case MemberEffect.Meet e -> simulation.later(() -> on(new MemberEvent.Met(e.generation())));
      case MemberEffect.Compute e ->
          simulation.invariants().computing(simulation, this, e, () -> computed(e));
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

  private void computed(MemberEffect.Compute compute) {
    prepared = simulation.invariants().reduced(compute.header().step());
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
    simulation.invariants().applying(id, step, applied);
    parameters = Invariants.hash(parameters, prepared);
    applied++;
    on(new MemberEvent.Applied(step));
  }
}
