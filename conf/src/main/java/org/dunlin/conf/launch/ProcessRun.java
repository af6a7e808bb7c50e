package org.dunlin.conf.launch;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.dunlin.conf.launch.CoordinatorProcess.Part;
import org.dunlin.conf.log.Logs;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.run.RunSpec;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A run in processes of its own: one coordinator and N workers, children of this one, which trains
 * nothing itself and keeps the terminal. A run that has begun outlives its workers but the last,
 * and whoever died is started again.
 *
 * <p>One thread, the caller's, decides everything; the children's threads only bring it notes.
 */
final class ProcessRun {
  private static final Logger LOG = LoggerFactory.getLogger(ProcessRun.class);
  private static final long MIB = 1 << 20;

  private static final String COORDINATOR = "coordinator";

  // Network buffers, and what a worker copies on its way to a socket.
  static final long MORE_DIRECT_MIB = 512;

  // A lost worker breaks the others too: the first sentence to arrive need not be the cause.
  private static final long SETTLE_MS = 500;

  // A child that was sent away closes its device and leaves its cluster.
  private static final long LEAVE_MS = 20_000;
  private static final long LET_GO_MS = 5_000;
  private static final int KILLED = 128;

  /** A worker that was taken for dead and lives is told so; one that hangs on does not hear it. */
  private static final long HANGING_MS = 10_000;

  /** A worker that lived so long had got to work. */
  private static final long AT_WORK_MS = 60_000;

  /** A coordinator says once a lease that it lives; one that hangs keeps the run's lock. */
  private static final int MOST_SILENT_LEASES = 12;

  /** A busy machine's JVM, library and cluster may take long to begin. */
  private static final long JOIN_SECONDS = 180;

  /** A child that ended before the run did. */
  private record Loss(Child child, Outcome outcome) {}

  private final Settings settings;
  private final RunSpec spec;
  private final Path runFolder;
  private final Watcher watcher;
  private final StopRequest stop;
  private final BlockingQueue<Note> notes = new LinkedBlockingQueue<>();
  private final List<Child> children = new ArrayList<>();
  private final OutcomeOf told = new OutcomeOf();
  private final Map<String, Relaunch> relaunches = new TreeMap<>();
  private final List<RunEvent.Member> due = new ArrayList<>();
  private final Set<String> joined = new HashSet<>(); // as the coordinator names them
  private final Set<String> missed = new HashSet<>();
  private String address = "";
  private Optional<Child> coordinator = Optional.empty();
  private Optional<Child> standby = Optional.empty();
  private boolean standsBy; // is ready to
  private boolean hasCoordinated; // the present coordinator, a step at least
  private int silentLeases; // of the coordinator; a pause of this process is none
  private Optional<Loss> lost = Optional.empty();
  private boolean hasStarted;
  private boolean killed;
  private long steps;
  private int awaited; // dead ones that are about to be started again

  ProcessRun(Settings settings, RunSpec spec, Path runFolder, Watcher watcher, StopRequest stop) {
    this.settings = settings;
    this.spec = spec;
    this.runFolder = runFolder;
    this.watcher = watcher;
    this.stop = stop;
  }

  /** Runs it to its end; no child is left on return. */
  Outcome run() {
    Logs.toFile(RunFolder.log(runFolder));
    stop.first().thenRun(() -> notes.add(new Note.StopAsked()));
    try {
      coordinator = Optional.of(startCoordinator(COORDINATOR, Part.FIRST));
      awaitLease();
      do {
        while (outcome().isEmpty()) {
          take(notes.take());
        }
        settle();
      } while (outcome().isEmpty()); // the run had begun before the loss, which it outlives
      return outcome().orElseThrow();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return new Outcome.Failed("the supervisor was interrupted");
    } finally {
      endChildren();
    }
  }

  // A killed child is a cause; what others say when they miss it is a consequence.
  private Optional<Outcome> outcome() {
    boolean consequence = told.outcome().isEmpty() || (killed && failed());
    return consequence && lost.isPresent() ? lost.map(Loss::outcome) : told.outcome();
  }

  private boolean failed() {
    return told.outcome().filter(Outcome.Failed.class::isInstance).isPresent();
  }

  private void settle() throws InterruptedException {
    if (outcome().orElseThrow() instanceof Outcome.Failed) {
      for (Note note = next(SETTLE_MS); note != null; note = next(SETTLE_MS)) {
        take(note);
      }
    }
  }

  private Note next(long limitMs) throws InterruptedException {
    return notes.poll(limitMs, TimeUnit.MILLISECONDS);
  }

  private void take(Note note) {
    switch (note) {
      case Note.Addressed addressed -> addressed(addressed);
      case Note.Due due -> {
        awaited--;
        startAgain(due.dead());
      }
      case Note.Said said -> {
        standsBy |= standby.equals(Optional.of(said.child())); // says nothing before
        if (said.event() instanceof RunEvent.Failed failed
            && (isSpared(said.child()) || isMissed(said.child()))) {
          LOG.info("{} says: {}", said.child().member(), failed.sentence());
        } else {
          heard(said.event());
        }
      }
      case Note.Ended ended -> ended(ended.child(), ended.exitCode());
      case Note.LeaseOver over -> leaseOver();
      case Note.JoinDue due -> joinDue(due.worker());
      case Note.StopAsked asked -> coordinator.orElseThrow().ask(Lifeline.STOP);
    }
  }

  private void heard(RunEvent event) {
    told.add(event);
    switch (event) {
      case RunEvent.Processes known ->
          known.processes().forEach(member -> joined.add(worker(member))); // it knows who lives
      case RunEvent.Started started -> {
        hasStarted = true;
        startStandby();
        lost = lost.filter(loss -> !isSpared(loss.child())); // it was read before this
        watcher.accept(event);
      }
      case RunEvent.Missed lost -> {
        missed(lost);
        watcher.accept(event);
      }
      case RunEvent.StepCommitted step -> {
        steps = step.step() + 1;
        hasCoordinated = true;
        watcher.accept(event);
      }
      default -> watcher.accept(event);
    }
  }

  private void ended(Child child, int exitCode) {
    LOG.info("{} ended with exit code {}", child.member(), exitCode);
    tellProcesses();
    boolean inOrder = told.outcome().isPresent() && !failed();
    if (standby.equals(Optional.of(child))) {
      standby = Optional.empty();
    }
    boolean coordinates = coordinator.equals(Optional.of(child));
    if (!coordinates && !isWorker(child)) {
      return;
    }
    if (coordinates && hasStarted && told.outcome().isEmpty() && follow(child, exitCode)) {
      return;
    }
    // Before the first step it is waited for; when all were killed, the run goes back to its newest
    // checkpoint with those that come again.
    boolean mayComeAgain =
        isSpared(child) || isMissed(child) || (isWorker(child) && exitCode > KILLED);
    boolean comesAgain = mayComeAgain && !inOrder && !stop.isAsked() && relaunch(child, exitCode);
    boolean goesOn = isSpared(child) || (hasStarted && isAwaited());
    if (inOrder || lost.isPresent() || comesAgain || goesOn) {
      return;
    }
    killed = exitCode > KILLED;
    lost =
        Optional.of(
            new Loss(
                child,
                new Outcome.Failed(
                    "%s (process %d) %s after %d of %d steps; its log is %s"
                        .formatted(
                            child.member().name(),
                            child.member().pid(),
                            how(exitCode),
                            steps,
                            spec.steps(),
                            child.log()))));
  }

  // The first one's workers come with it; a later one's are there already.
  private void addressed(Note.Addressed addressed) {
    address = addressed.address();
    if (children.size() == 1) {
      startWorkers();
      return;
    }
    startStandby();
    List<RunEvent.Member> waiting = List.copyOf(due);
    due.clear();
    waiting.forEach(this::startAgain);
    if (stop.isAsked()) {
      addressed.coordinator().ask(Lifeline.STOP); // the one before had heard it
    }
  }

  private void startStandby() {
    if (settings.standby() && standby.isEmpty() && outcome().isEmpty()) {
      standsBy = false;
      standby = Optional.of(startCoordinator("standby", Part.STANDBY, address));
    }
  }

  private void awaitLease() {
    CompletableFuture.delayedExecutor(settings.leaseMs(), TimeUnit.MILLISECONDS)
        .execute(() -> notes.add(new Note.LeaseOver()));
  }

  private void leaseOver() {
    Child coordinating = coordinator.orElseThrow();
    silentLeases = coordinating.spoke() ? 0 : silentLeases + 1;
    if (silentLeases == MOST_SILENT_LEASES && coordinating.isAlive()) {
      watcher.accept(
          new RunEvent.Noted(
              "the coordinator (process %d) has been silent for %d ms, and is killed"
                  .formatted(
                      coordinating.member().pid(), MOST_SILENT_LEASES * settings.leaseMs())));
      coordinating.kill();
    }
    awaitLease();
  }

  // The workers wait for the next one. False where the same would befall it.
  private boolean follow(Child dead, int exitCode) {
    String died = "the coordinator (process %d) %s".formatted(dead.member().pid(), how(exitCode));
    if (standby.isPresent() && standsBy) {
      coordinator = standby;
      died += "; the standby (process %d) takes over";
    } else {
      Relaunch next = relaunches.getOrDefault(COORDINATOR, Relaunch.NONE).after(hasCoordinated);
      relaunches.put(COORDINATOR, next);
      if (next.pauseMs().isEmpty()) {
        watcher.accept(
            new RunEvent.Noted(
                "the coordinator is not started again: it died %d times in a row without one more step"
                    .formatted(next.deaths())));
        return false;
      }
      standby.ifPresent(Child::kill); // it knows the dead one's place alone
      coordinator = Optional.of(startCoordinator(COORDINATOR, Part.SUCCESSOR));
      died += "; another one (process %d) takes over";
    }
    standby = Optional.empty();
    silentLeases = 0;
    hasCoordinated = false;
    address = "";
    watcher.accept(new RunEvent.Noted(died.formatted(coordinator.orElseThrow().member().pid())));
    tellProcesses();
    return true;
  }

  private static String how(int exitCode) {
    return exitCode > KILLED
        ? "was killed by signal " + (exitCode - KILLED)
        : "ended with exit code " + exitCode;
  }

  private boolean isAwaited() {
    return awaited > 0;
  }

  // Whoever left in order was asked to. False where it will not come again.
  private boolean relaunch(Child child, int exitCode) {
    if (exitCode == 0) {
      return false;
    }
    RunEvent.Member dead = child.member();
    Relaunch next =
        relaunches.getOrDefault(dead.name(), Relaunch.NONE).after(child.livedMs() >= AT_WORK_MS);
    relaunches.put(dead.name(), next);
    next.pauseMs()
        .ifPresentOrElse(
            pauseMs -> {
              awaited++;
              CompletableFuture.delayedExecutor(pauseMs, TimeUnit.MILLISECONDS)
                  .execute(() -> notes.add(new Note.Due(dead)));
            },
            () ->
                watcher.accept(
                    new RunEvent.Noted(
                        "%s is put aside: it died %d times in a row soon after its start, last with exit code %d; its log is %s"
                            .formatted(dead.name(), next.deaths(), exitCode, child.log()))));
    return next.pauseMs().isPresent();
  }

  private void startAgain(RunEvent.Member dead) {
    if (address.isEmpty()) {
      due.add(dead); // between two coordinators there is nowhere to go
    } else if (outcome().isEmpty() && !stop.isAsked()) {
      startWorker(dead.name(), dead.incarnation() + 1);
      watcher.accept(
          new RunEvent.Noted(
              "%s is started again, as worker %s#%d"
                  .formatted(dead.name(), dead.name(), dead.incarnation() + 1)));
    }
  }

  // Once it has begun, a run needs its coordinator and one worker; the coordinator says the rest.
  private boolean isSpared(Child child) {
    return hasStarted
        && isWorker(child)
        && children.stream().filter(this::isWorker).anyMatch(Child::isAlive);
  }

  private boolean isMissed(Child child) {
    return missed.contains(worker(child.member()));
  }

  private static String worker(RunEvent.Member member) {
    return new WorkerId(member.name(), member.incarnation()).toString();
  }

  private void missed(RunEvent.Missed lost) {
    missed.add(lost.worker());
    children.stream()
        .filter(child -> isWorker(child) && worker(child.member()).equals(lost.worker()))
        .forEach(
            child ->
                CompletableFuture.delayedExecutor(HANGING_MS, TimeUnit.MILLISECONDS)
                    .execute(child::kill));
  }

  // Nobody else would notice that it hangs.
  private void joinDue(Child worker) {
    if (worker.isAlive() && !joined.contains(worker(worker.member())) && outcome().isEmpty()) {
      watcher.accept(
          new RunEvent.Noted(
              "%s (process %d) has not joined the run within %d s, and is killed; its log is %s"
                  .formatted(
                      worker.member().name(), worker.member().pid(), JOIN_SECONDS, worker.log())));
      worker.kill();
    }
  }

  private boolean isWorker(Child child) {
    return child.member().role().equals("worker");
  }

  private Child startCoordinator(String name, Part part, String... living) {
    RunEvent.Member member = new RunEvent.Member(COORDINATOR, name, 1, 0);
    List<String> arguments =
        new ArrayList<>(
            List.of(runFolder.toString(), Long.toString(spec.steps()), part.toString()));
    arguments.addAll(List.of(living));
    return start(
        new Child.Plan(
            member,
            CoordinatorProcess.class,
            arguments,
            settings.coordinatorHeapMib(),
            MORE_DIRECT_MIB,
            RunFolder.log(runFolder, COORDINATOR)));
  }

  private void startWorkers() {
    for (int w = 1; w <= settings.workers() && !stop.isAsked(); w++) {
      startWorker("worker-" + w, 1);
    }
  }

  private void startWorker(String name, long incarnation) {
    long directBytes =
        MemoryBudget.of(spec, settings.computeThreads(), settings.workers()).directBytes();
    Child worker =
        start(
            new Child.Plan(
                new RunEvent.Member("worker", name, incarnation, 0),
                WorkerProcess.class,
                List.of(
                    name,
                    Long.toString(incarnation),
                    address,
                    Integer.toString(settings.computeThreads()),
                    Integer.toString(settings.workers()),
                    settings.traces() ? RunFolder.trace(runFolder, name).toString() : ""),
                settings.workerHeapMib(),
                directBytes / MIB + MORE_DIRECT_MIB,
                RunFolder.log(runFolder, name)));
    CompletableFuture.delayedExecutor(JOIN_SECONDS, TimeUnit.SECONDS)
        .execute(() -> notes.add(new Note.JoinDue(worker)));
  }

  private Child start(Child.Plan plan) {
    CompletableFuture<Child> started = new CompletableFuture<>();
    Child child =
        Child.start(
            plan,
            line -> heard(started.join(), line),
            exitCode -> notes.add(new Note.Ended(started.join(), exitCode)));
    children.add(child);
    started.complete(child);
    tellProcesses();
    return child;
  }

  // On a child's own thread.
  private void heard(Child child, String line) {
    if (line.equals(CoordinatorProcess.ALIVE)) {
      return;
    }
    if (line.startsWith("pekko:")) {
      notes.add(new Note.Addressed(child, line));
      return;
    }
    EventLines.read(line)
        .ifPresentOrElse(
            event -> notes.add(new Note.Said(child, event)),
            () -> LOG.info("{} printed: {}", child.member().name(), line));
  }

  private void tellProcesses() {
    List<RunEvent.Member> living = new ArrayList<>();
    living.add(new RunEvent.Member("supervisor", "supervisor", 1, ProcessHandle.current().pid()));
    children.stream().filter(Child::isAlive).map(this::shown).forEach(living::add);
    watcher.accept(new RunEvent.Processes(List.copyOf(living)));
  }

  private RunEvent.Member shown(Child child) {
    RunEvent.Member member = child.member();
    return coordinator.equals(Optional.of(child))
        ? new RunEvent.Member(member.role(), COORDINATOR, member.incarnation(), member.pid())
        : member;
  }

  // First those that were sent away are waited for, then all are let go, then none is left.
  private void endChildren() {
    try {
      boolean sentAway = told.outcome().isPresent() && !failed() && !stop.isAsked();
      standby.ifPresent(Child::kill); // it would take over from one that ends
      for (Child child : children) {
        if (sentAway) {
          child.awaitEnd(LEAVE_MS);
        }
        child.letGo();
      }
      for (Child child : children) {
        child.awaitEnd(LET_GO_MS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      children.forEach(Child::kill);
    }
  }
}
