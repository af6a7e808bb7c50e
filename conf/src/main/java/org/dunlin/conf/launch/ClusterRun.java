package org.dunlin.conf.launch;

import java.nio.file.Path;
import org.dunlin.conf.log.Logs;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.record.TermFile;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.protocol.message.Endpoint;

/** A run whose coordinator is this process, and whose workers are started by hand elsewhere. */
final class ClusterRun {
  private ClusterRun() {}

  static Outcome run(
      Inputs inputs, Settings settings, Path runFolder, Watcher watcher, StopRequest stop) {
    Logs.toFile(RunFolder.log(runFolder));
    String host = host(settings);
    Admission admission =
        new Admission(Math.max(1, settings.workers()), true, settings.allowDifferentKernels());
    OutcomeOf outcome = new OutcomeOf();
    try (TermFile.Held held = TermFile.take(runFolder);
        EventRelay relay =
            new EventRelay(
                event -> {
                  outcome.add(event);
                  watcher.accept(event);
                })) {
      Coordination.run(
          inputs.run(held.term(), admission, host, runFolder, relay),
          runFolder,
          settings.clusterPort(),
          node -> relay.accept(new RunEvent.Noted(invitation(admission, node.endpoint()))),
          stop.first());
    }
    return outcome
        .outcome()
        .orElseGet(
            () -> new Outcome.Failed("the run stopped; its log is " + RunFolder.log(runFolder)));
  }

  /** Refuses an address that cannot be listened at, before anything is written. */
  static void requireAddress(Settings settings) {
    Addresses.requireFree(host(settings), settings.clusterPort());
  }

  private static String host(Settings settings) {
    return settings
        .clusterHost()
        .map(name -> Addresses.numeric("cluster.host", name))
        .orElseGet(Addresses::own);
  }

  private static String invitation(Admission admission, Endpoint at) {
    return "waiting for %d worker%s; on each other machine:%n  dunlin worker --join %s:%d"
        .formatted(admission.workers(), admission.workers() == 1 ? "" : "s", at.host(), at.port());
  }
}
