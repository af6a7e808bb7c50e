package org.dunlin.conf.launch;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.dunlin.conf.log.Logs;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.record.TermFile;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.coordinator.step.Admission;
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
    try (TermFile.Held held = TermFile.take(runFolder);
        EventRelay relay =
            new EventRelay(
                event -> {
                  outcome.add(event);
                  watcher.accept(event);
                })) {
      Coordination.run(
          inputs.run(held.term(), false, admission, host, runFolder, relay),
          runFolder,
          settings.clusterPort(),
          node -> {
            lines(settings).forEach(line -> relay.accept(new RunEvent.Noted(line)));
            relay.accept(new RunEvent.Noted(invitation(admission, node.endpoint())));
          },
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
