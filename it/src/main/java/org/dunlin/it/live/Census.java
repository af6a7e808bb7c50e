package org.dunlin.it.live;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dunlin.coordinator.report.RunEvent;

/**
 * Who takes part in a run, by what the run says of itself. A worker is named as its coordinator
 * names it, {@code worker-2#1}. Not thread-safe.
 */
public final class Census {
  private static final Pattern COMES =
      Pattern.compile("worker (\\S+) takes part from step (\\d+) on; .*");
  private static final Pattern LEAVES = Pattern.compile("worker (\\S+) leaves after \\d+ steps.*");

  private final SortedSet<String> complete = new TreeSet<>();
  private final Map<String, Long> coming = new HashMap<>();
  private List<RunEvent.Member> processes = List.of();

  /** Takes the next event of the run. */
  void add(RunEvent event) {
    switch (event) {
      case RunEvent.Processes now -> processes = now.processes();
      case RunEvent.Started started -> workers().forEach(member -> complete.add(id(member)));
      case RunEvent.Missed missed -> remove(missed.worker());
      case RunEvent.Noted noted -> read(noted.sentence());
      case RunEvent.StepCommitted step -> committed(step.step() + 1);
      default -> {}
    }
  }

  private void read(String sentence) {
    Matcher comes = COMES.matcher(sentence);
    Matcher leaves = LEAVES.matcher(sentence);
    if (comes.matches()) {
      coming.put(comes.group(1), Long.parseLong(comes.group(2)));
    } else if (leaves.matches()) {
      remove(leaves.group(1));
    }
  }

  private void remove(String worker) {
    complete.remove(worker);
    coming.remove(worker);
  }

  private void committed(long steps) {
    coming.forEach(
        (worker, from) -> {
          if (from <= steps) {
            complete.add(worker);
          }
        });
    coming.keySet().removeAll(complete);
  }

  /** Members that were prepared for a step that is committed: each holds the whole state. */
  public SortedSet<String> complete() {
    return new TreeSet<>(complete);
  }

  /** The workers whose processes live, as their supervisor knows; members or not. */
  public List<RunEvent.Member> workers() {
    return processes.stream().filter(member -> member.role().equals("worker")).toList();
  }

  /** All processes of the run, the supervisor too. */
  public List<RunEvent.Member> processes() {
    return processes;
  }

  /** How the coordinator names a process. */
  public static String id(RunEvent.Member member) {
    return member.name() + "#" + member.incarnation();
  }
}
