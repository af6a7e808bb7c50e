package org.dunlin.conf.report;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.dunlin.coordinator.report.RunEvent;

/**
 * {@code processes.json}: the processes that the run has now, with role, name, incarnation, pid
 * and, where workers were started by hand, place in the cluster. Where one process has several
 * roles it is listed once for each. Empty when the run is over.
 */
public final class ProcessesFile implements Watcher {
  public static final String NAME = "processes.json";

  private final WholeFile file;

  public ProcessesFile(Path runFolder) {
    this.file = new WholeFile(runFolder.resolve(NAME));
  }

  @Override
  public void accept(RunEvent event) {
    if (event instanceof RunEvent.Processes now) {
      write(now.processes());
    }
  }

  private void write(List<RunEvent.Member> processes) {
    file.write(Map.of("processes", processes));
  }

  @Override
  public void close() {
    write(List.of());
  }
}
