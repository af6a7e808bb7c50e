package org.dunlin.conf.launch;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.dunlin.conf.log.Logs;
import org.dunlin.conf.report.NodesFile;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.checkpoint.CopySender;
import org.dunlin.coordinator.record.RunId;
import org.dunlin.coordinator.record.TermFile;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.data.checkpoint.CheckpointStore;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.worker.collective.driver.HostCheck;

/** A run whose coordinator is this process, and whose workers are started by hand elsewhere. */
final class ClusterRun {
  private ClusterRun() {}

  static Outcome run(
      Inputs inputs, Settings settings, Path runFolder, Watcher watcher, StopRequest stop) {
    Logs.toFile(RunFolder.log(runFolder));
    String host = host(settings);
    Admission admission =
        new Admission(
            Math.max(1, settings.workers()),
            Admission.Comers.ANY,
            settings.allowDifferentKernels());
    OutcomeOf outcome = new OutcomeOf();
    // Not of the run that ended before this: who goes on from a checkpoint with other settings.
    Optional<NodesFile.Nodes> left =
        settings.resume().filter(OptionalLong::isEmpty).isPresent()
                && settings.allowedChanges().isEmpty()
            ? NodesFile.read(runFolder)
            : Optional.empty();
    try (TermFile.Held held = TermFile.take(runFolder);
        NodesFile nodes = new NodesFile(runFolder);
        EventRelay relay =
            new EventRelay(
                event -> {
                  outcome.add(event);
                  nodes.accept(event);
                  watcher.accept(event);
                });
        ClusterNode node = node(left, host, settings.clusterPort())) {
      boolean follows = left.isPresent() && follows(node, left.get(), settings, relay);
      if (left.isEmpty()) {
        node.joinItself();
      }
      Consumer<RunEvent> watching =
          settings.checkpointCopyToWorkers()
              ? copying(inputs, settings, held.term(), host, runFolder, node, relay)
              : relay;
      Coordination.lead(
          node,
          inputs.run(held.term(), follows, admission, host, runFolder, watching),
          runFolder,
          formed -> {
            lines(settings).forEach(line -> relay.accept(new RunEvent.Noted(line)));
            if (!follows) {
              relay.accept(new RunEvent.Noted(invitation(admission, formed.endpoint())));
            }
          },
          stop.first());
      if (outcome.outcome().isPresent()) {
        RunFolder.end(runFolder); // before whoever stands by finds no coordinator
      }
    }
    return outcome
        .outcome()
        .orElseGet(
            () -> new Outcome.Failed("the run stopped; its log is " + RunFolder.log(runFolder)));
  }

  private static Consumer<RunEvent> copying(
      Inputs inputs,
      Settings settings,
      Term term,
      String host,
      Path runFolder,
      ClusterNode node,
      EventRelay relay) {
    ActorRef<CopySender.Command> sender =
        node.spawn(
            CopySender.create(
                inputs.spec().name() + "-" + RunId.of(runFolder),
                term,
                runFolder,
                CheckpointStore.in(settings.checkpointFolder()),
                host,
                sentence -> relay.accept(new RunEvent.Noted(sentence))),
            "copies");
    return event -> {
      relay.accept(event);
      if (event instanceof RunEvent.Checkpointed complete) {
        sender.tell(new CopySender.Complete(complete.steps()));
      }
    };
  }

  // Workers that come later know no other place than that of the coordinator that died.
  private static ClusterNode node(Optional<NodesFile.Nodes> left, String host, int port) {
    int before = left.map(NodesFile.Nodes::port).filter(p -> Addresses.isFree(host, p)).orElse(0);
    return ClusterNode.start(List.of(ClusterNode.COORDINATOR), host, port > 0 ? port : before);
  }

  // Workers outlive their coordinator, and hold more than its checkpoints.
  private static boolean follows(
      ClusterNode node, NodesFile.Nodes left, Settings settings, EventRelay relay) {
    int living =
        Coordination.succeed(node, left, Duration.ofMillis(settings.leaseMs()))
            .orElseThrow(
                () ->
                    Refusal.run(
                        "the workers that the run's coordinator left did not let this one in, though some live (expected: all their ports open to this machine); end them, or try again"));
    if (living > 0) {
      relay.accept(
          new RunEvent.Noted(
              "the run's coordinator is gone; %d of the %d workers that it left live, and the run goes on with them"
                  .formatted(living, left.workers().size())));
    }
    return living > 0;
  }

  /** Refuses an address that cannot be listened at, before anything is written. */
  static void requireAddress(Settings settings) {
    Addresses.requireFree(host(settings), settings.clusterPort());
  }

  private static String host(Settings settings) {
    return settings
        .clusterHost()
        .map(name -> Addresses.numeric("cluster.host", name))
        .or(Addresses::own)
        .orElse(LocalRun.HOST);
  }

  // What a person should know of this machine.
  private static List<String> lines(Settings settings) {
    List<String> lines = new ArrayList<>(HostCheck.forMembers(1));
    if (settings.clusterHost().isEmpty() && Addresses.own().isEmpty()) {
      lines.add(
          "cluster.host: auto is %s, because this machine has no way to others (expected: an address of it, or only workers on it can join); give it one by name: --set cluster.host=ADDRESS"
              .formatted(LocalRun.HOST));
    }
    return lines;
  }

  private static String invitation(Admission admission, Endpoint at) {
    return "waiting for %d worker%s; on each other machine:%n  dunlin worker --join %s:%d"
        .formatted(admission.workers(), admission.workers() == 1 ? "" : "s", at.host(), at.port());
  }
}
