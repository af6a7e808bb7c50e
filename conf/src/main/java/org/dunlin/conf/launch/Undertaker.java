package org.dunlin.conf.launch;

import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.Address;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.cluster.ClusterEvent.UnreachableMember;
import org.apache.pekko.cluster.Member;
import org.apache.pekko.cluster.typed.Cluster;
import org.apache.pekko.cluster.typed.Down;
import org.apache.pekko.cluster.typed.Subscribe;

/**
 * Removes dead nodes from the cluster, because as long as one is a member no other node is let in.
 */
final class Undertaker {
  /** The sender of a message that nobody answers. */
  static final ActorRef NOBODY = ActorRef.noSender();

  private Undertaker() {}

  /**
   * On every node: removes the nodes whose addresses it is sent, and where that is a text, those of
   * all coordinators, and whoever stood by for them, that are not at this address. A new
   * coordinator's node is no member yet and cannot do it itself.
   */
  static Behavior<Object> onDemand() {
    return Behaviors.setup(
        context ->
            Behaviors.receive(Object.class)
                .onMessage(Address.class, address -> bury(context, address))
                .onMessage(String.class, address -> buryCoordinatorsBefore(context, address))
                .build());
  }

  /** Removes the nodes of all coordinators and standbys but the one at an address. */
  static <T> Behavior<T> buryCoordinatorsBefore(ActorContext<T> context, String address) {
    for (Member member : Cluster.get(context.getSystem()).state().getMembers()) {
      boolean before =
          member.hasRole(ClusterNode.COORDINATOR) || member.hasRole(ClusterNode.STANDBY);
      if (before && !member.address().toString().equals(address)) {
        bury(context, member.address());
      }
    }
    return Behaviors.same();
  }

  /** On the presiding node alone, which has no downing provider: removes whom nobody reaches. */
  static Behavior<UnreachableMember> ofUnreachable() {
    return Behaviors.setup(
        context -> {
          Cluster.get(context.getSystem())
              .subscriptions()
              .tell(Subscribe.create(context.getSelf(), UnreachableMember.class));
          return Behaviors.receive(UnreachableMember.class)
              .onMessage(UnreachableMember.class, event -> bury(context, event.member().address()))
              .build();
        });
  }

  private static <T> Behavior<T> bury(ActorContext<T> context, Address address) {
    context.getLog().info("{} is removed from the cluster", address);
    Cluster.get(context.getSystem()).manager().tell(Down.apply(address));
    return Behaviors.same();
  }
}
