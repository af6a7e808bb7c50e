package org.dunlin.it.process;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.dunlin.conf.launch.Control;
import org.dunlin.conf.report.NodesFile;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.it.live.Census;
import org.dunlin.it.live.LiveRun;
import org.dunlin.protocol.Refusal;

/**
 * What befalls a run with workers in processes of their own, drawn by a seed. It leaves one member
 * alone that holds the whole state and that the run's supervisor started, because without it a run
 * has to end. Whoever is not started again by the supervisor gets a stand-in, joined by hand. Close
 * it: that leaves no stand-in behind.
 */
final class Chaos implements AutoCloseable {
  /** What may happen. */
  enum Event {
    /** SIGKILL of one. */
    KILL,
    /** SIGKILL of all members but one, at once. */
    KILL_SEVERAL,
    /** SIGSTOP, and SIGCONT after 0.2 to 10 s, while other things go on happening. */
    STOP,
    /** SIGTERM. */
    TERMINATE,
    /** {@code dunlin drain}. */
    DRAIN,
    /** SIGKILL of the coordinator, whether a standby is ready by then or not. */
    KILL_COORDINATOR,
    /** The same, and of a member at once. */
    KILL_COORDINATOR_AND_ONE;

    boolean isOfCoordinator() {
      return this == KILL_COORDINATOR || this == KILL_COORDINATOR_AND_ONE;
    }
  }

  private static final double LEAST_STOP_MS = 200;
  private static final double MOST_STOP_MS = 10_000;
  private static final int MOST_COMMITS_BETWEEN = 12;

  /** Of every wait: several processes may have to start, on a busy machine. */
  static final long LIMIT_SECONDS = 300;

  /** Whoever was stopped has part in the third commit after it went on, or is missed before. */
  private static final int COMMITS_TO_TRUST = 3;

  private static final Pattern GONE_FOR_GOOD = Pattern.compile("(\\S+) is put aside: .*");

  private final LiveRun run;
  private final int workers;
  private final Random random;
  private final Deque<Event> deck = new ArrayDeque<>();
  private final SortedMap<String, Trainer> standIns = new TreeMap<>();
  private final SortedSet<String> supervised = new TreeSet<>();
  private final Map<String, CompletableFuture<Void>> stopped = new HashMap<>();
  private final Map<String, Integer> doubted = new HashMap<>();
  private final SortedSet<String> hit = new TreeSet<>();
  private final List<String> story = new ArrayList<>();
  private int standInsEver;
  private boolean orphaned;
  private long steps;

  /**
   * @param run that is to have {@code workers} workers at all times, if it were left alone
   */
  Chaos(LiveRun run, int workers, long seed) {
    this.run = run;
    this.workers = workers;
    this.random = new Random(seed);
    for (int w = 1; w <= workers; w++) {
      supervised.add("worker-" + w);
    }
  }

  /** What was done, and when. */
  List<String> story() {
    return List.copyOf(story);
  }

  /** Lets so many things happen, one by one, each at some steps' distance. */
  void happen(int events) throws Exception {
    run.await(RunEvent.Started.class::isInstance);
    for (int e = 0; e < events; e++) {
      Event event = draw();
      for (int pause = random.nextInt(MOST_COMMITS_BETWEEN); pause >= 0; pause--) {
        awaitCommit();
      }
      awaitUntil(() -> isPossible(event));
      carryOut(event);
    }
  }

  /** Waits until all that were hit are replaced, each by a member. */
  void heal() throws Exception {
    awaitUntil(() -> untouched().size() == workers);
  }

  private void awaitUntil(BooleanSupplier condition) throws Exception {
    long untilNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - untilNs > 0) {
        throw new AssertionError(
            "after %d s only %s take part untouched, of %s"
                .formatted(LIMIT_SECONDS, untouched(), run.census().complete()));
      }
      awaitCommit();
    }
  }

  /** What all of its processes do. */
  String stacks() {
    StringBuilder stacks = new StringBuilder();
    for (RunEvent.Member member : run.census().processes()) {
      ProcessHandle.of(member.pid())
          .ifPresent(process -> stacks.append(member).append(Trainer.stacks(process)).append('\n'));
    }
    standIns.forEach(
        (name, standIn) ->
            stacks.append(name).append(Trainer.stacks(standIn.handle())).append('\n'));
    return stacks.toString();
  }

  private Event draw() {
    if (deck.isEmpty()) {
      List<Event> all = new ArrayList<>(List.of(Event.values()));
      Collections.shuffle(all, random);
      deck.addAll(all);
    }
    return deck.pop();
  }

  private void awaitCommit() throws Exception {
    RunEvent event =
        run.await(
                each -> {
                  if (each instanceof RunEvent.Noted noted) {
                    noted(noted.sentence());
                  }
                  return each instanceof RunEvent.StepCommitted;
                })
            .event();
    steps = ((RunEvent.StepCommitted) event).step() + 1;
    doubted.replaceAll((worker, commits) -> commits - 1);
    doubted.values().removeIf(commits -> commits <= 0);
    stopped
        .entrySet()
        .removeIf(
            each -> {
              if (each.getValue().isDone()) {
                doubted.put(each.getKey(), COMMITS_TO_TRUST);
              }
              return each.getValue().isDone();
            });
    hit.retainAll(run.census().complete()); // the others are gone, or another life
    replace();
  }

  private void noted(String sentence) {
    Matcher gone = GONE_FOR_GOOD.matcher(sentence);
    if (gone.matches()) {
      supervised.remove(gone.group(1));
    } else if (sentence.startsWith("the coordinator of term ")) {
      orphaned = false;
    }
  }

  private void replace() throws Exception {
    standIns.values().removeIf(standIn -> !standIn.handle().isAlive());
    while (!orphaned && supervised.size() + standIns.size() < workers) {
      int port = NodesFile.read(run.folder()).orElseThrow().port();
      standInsEver++;
      String name = "stand-in-" + standInsEver;
      standIns.put(
          name,
          Trainer.worker(
              Map.of(), "--join", "127.0.0.1:" + port, "--name", name, "--threads", "1"));
      tell("joined %s".formatted(name));
    }
  }

  private SortedSet<String> untouched() {
    SortedSet<String> untouched = run.census().complete();
    untouched.removeAll(hit);
    untouched.removeAll(stopped.keySet());
    untouched.removeAll(doubted.keySet());
    return untouched;
  }

  private static String name(String worker) {
    return worker.substring(0, worker.indexOf('#'));
  }

  private boolean isPossible(Event event) {
    int least = event == Event.KILL_SEVERAL ? workers : 2;
    // Whoever is on its way to a coordinator that dies waits for it in vain.
    if (event.isOfCoordinator() && (orphaned || untouched().size() < workers)) {
      return false;
    }
    return untouched().size() >= least
        && untouched().stream().anyMatch(worker -> supervised.contains(name(worker)));
  }

  private void carryOut(Event event) throws Exception {
    List<String> victims = victims();
    switch (event) {
      case KILL -> hit(event, "KILL", victims.subList(0, 1));
      case KILL_SEVERAL -> hit(event, "KILL", victims);
      case TERMINATE -> {
        hit(event, "TERM", victims.subList(0, 1));
        supervised.remove(name(victims.get(0)));
      }
      case DRAIN -> drain(victims.get(0));
      case STOP -> stop(victims.get(0));
      case KILL_COORDINATOR -> killCoordinator(event, List.of());
      case KILL_COORDINATOR_AND_ONE -> killCoordinator(event, victims.subList(0, 1));
    }
  }

  /** Members that may be lost, in an order that is drawn: all but one that is spared. */
  private List<String> victims() {
    List<String> all = new ArrayList<>(untouched());
    Collections.shuffle(all, random);
    String spared =
        all.stream().filter(worker -> supervised.contains(name(worker))).findFirst().orElseThrow();
    all.remove(spared);
    return all;
  }

  private void hit(Event event, String signal, List<String> victims) throws Exception {
    tell("%s %s".formatted(event, victims));
    Trainer.signal(signal, victims.stream().map(this::process).toList());
    hit.addAll(victims);
  }

  private void killCoordinator(Event event, List<String> with) throws Exception {
    tell("%s %s".formatted(event, with));
    ProcessHandle coordinator =
        run.census().processes().stream()
            .filter(member -> member.name().equals("coordinator"))
            .flatMap(member -> ProcessHandle.of(member.pid()).stream())
            .findFirst()
            .orElseThrow();
    List<ProcessHandle> all = new ArrayList<>(List.of(coordinator));
    with.stream().map(this::process).forEach(all::add);
    Trainer.signal("KILL", all);
    hit.addAll(with);
    orphaned = true;
  }

  private void drain(String victim) {
    tell("%s %s".formatted(Event.DRAIN, victim));
    try {
      Control.drain(run.folder(), name(victim));
      hit.add(victim);
      supervised.remove(name(victim));
    } catch (Refusal e) {
      tell("refused: " + e.getMessage());
    }
  }

  private void stop(String victim) throws Exception {
    double range = Math.log(MOST_STOP_MS / LEAST_STOP_MS);
    long ms = Math.round(LEAST_STOP_MS * Math.exp(random.nextDouble() * range));
    tell("%s %s for %d ms".formatted(Event.STOP, victim, ms));
    ProcessHandle process = process(victim);
    Trainer.signal("STOP", List.of(process));
    stopped.put(
        victim,
        CompletableFuture.runAsync(
            () -> goOn(process), CompletableFuture.delayedExecutor(ms, TimeUnit.MILLISECONDS)));
  }

  private static void goOn(ProcessHandle process) {
    try {
      Trainer.signal("CONT", List.of(process));
    } catch (IOException e) {
      throw new AssertionError(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private ProcessHandle process(String worker) {
    Trainer standIn = standIns.get(name(worker));
    return standIn != null
        ? standIn.handle()
        : run.census().workers().stream()
            .filter(member -> Census.id(member).equals(worker))
            .flatMap(member -> ProcessHandle.of(member.pid()).stream())
            .findFirst()
            .orElseThrow(() -> new AssertionError(worker + " is in no list of processes"));
  }

  private void tell(String what) {
    story.add("after %d steps: %s".formatted(steps, what));
  }

  /** Lets everybody go on who is stopped; by whoever does not end it in order. */
  @Override
  public void close() {
    CompletableFuture.allOf(stopped.values().toArray(CompletableFuture[]::new)).join();
    standIns.values().forEach(Trainer::close);
  }

  @Override
  public String toString() {
    return story.stream().collect(Collectors.joining("\n"));
  }
}
