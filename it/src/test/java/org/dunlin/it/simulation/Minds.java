package org.dunlin.it.simulation;

import org.dunlin.coordinator.step.Event;
import org.dunlin.coordinator.step.State;
import org.dunlin.coordinator.step.StepProtocol;
import org.dunlin.worker.member.MemberEvent;
import org.dunlin.worker.member.MemberProtocol;
import org.dunlin.worker.member.MemberState;

/** What decides: production's two protocols, or one of them with a deliberate bug around it. */
interface Minds {
  Minds PRODUCTION = new Minds() {};

  default StepProtocol.Decision coordinator(StepProtocol real, State state, Event event) {
    return real.next(state, event);
  }

  default MemberProtocol.Decision member(
      MemberProtocol real, MemberState state, MemberEvent event) {
    return real.next(state, event);
  }
}
