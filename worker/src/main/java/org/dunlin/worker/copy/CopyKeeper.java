package org.dunlin.worker.copy;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import org.apache.pekko.Done;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.actor.typed.receptionist.ServiceKey;
import org.apache.pekko.dispatch.Dispatchers;
import org.apache.pekko.stream.ActorAttributes;
import org.apache.pekko.stream.KillSwitches;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.SharedKillSwitch;
import org.apache.pekko.stream.StreamRefAttributes;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.stream.javadsl.Sink;
import org.dunlin.data.checkpoint.RunCopy;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.message.CopyEnded;
import org.dunlin.protocol.message.CopyOffered;
import org.dunlin.protocol.message.RunBytes;

/**
 * Keeps a second copy of a run on this worker's disk, where the coordinator offers one; one at a
 * time. It holds the lock of the copy's folder until it stops.
 */
public final class CopyKeeper extends AbstractBehavior<CopyKeeper.Command> {
  // Of at most 1 MiB each: what is on the wire, or here, before the disk has it.
  private static final int UNDER_WAY = 2;

  /** What reaches this actor. */
  public sealed interface Command {}

  private record Offered(CopyOffered offer) implements Command {}

  private record Ended(CopyOffered offer, Optional<Path> folder, String why) implements Command {}

  private final Optional<Path> root;
  private final Consumer<String> told;
  private final Materializer materializer;
  private final Executor files;
  private final Map<String, RunCopy> copies = new HashMap<>(); // by one of `files` at a time
  private Term newest = new Term(1);
  private CompletionStage<?> last = CompletableFuture.completedFuture(null);
  private SharedKillSwitch receiving = KillSwitches.shared("copy");
  private boolean isTold;

  /**
   * A keeper's actor.
   *
   * @param root in which each run's copy has a folder; empty: it keeps none, and says so
   * @param key where coordinators look for it
   * @param told hears in a sentence what a person should know; must not block
   */
  public static Behavior<Command> create(
      Optional<Path> root, ServiceKey<CopyOffered> key, Consumer<String> told) {
    return Behaviors.setup(context -> new CopyKeeper(context, root, key, told));
  }

  private CopyKeeper(
      ActorContext<Command> context,
      Optional<Path> root,
      ServiceKey<CopyOffered> key,
      Consumer<String> told) {
    super(context);
    this.root = root;
    this.told = told;
    this.materializer = Materializer.createMaterializer(context);
    this.files = context.getSystem().dispatchers().lookup(DispatcherSelector.blocking());
    context
        .getSystem()
        .receptionist()
        .tell(Receptionist.register(key, context.messageAdapter(CopyOffered.class, Offered::new)));
  }

  @Override
  public Receive<Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(Offered.class, command -> offered(command.offer()))
        .onMessage(Ended.class, this::ended)
        .onSignal(PostStop.class, signal -> stopped())
        .build();
  }

  // A coordinator sends one at a time; another one's comes when the first is gone.
  private Behavior<Command> offered(CopyOffered offer) {
    if (offer.term().compareTo(newest) < 0) {
      refuse(offer, "a coordinator of term %d has come since".formatted(newest.number()));
      return this;
    }
    if (root.isEmpty()) {
      refuse(offer, "it keeps no copies, as its --copies says");
      return this;
    }
    newest = offer.term();
    receiving.abort(Refusal.run("another copy is made"));
    SharedKillSwitch until = KillSwitches.shared("copy");
    receiving = until;
    CompletionStage<Path> kept =
        last.handle((done, error) -> null).thenComposeAsync(none -> keep(offer, until), files);
    last = kept;
    getContext()
        .pipeToSelf(
            kept,
            (folder, error) ->
                new Ended(offer, Optional.ofNullable(folder), error == null ? "" : why(error)));
    return this;
  }

  private void refuse(CopyOffered offer, String why) {
    offer.files().getSource().runWith(Sink.cancelled(), materializer);
    offer.answer().tell(new CopyEnded(offer.number(), false, why));
  }

  // On a thread that may wait for the disk, as all that follows.
  private CompletionStage<Path> keep(CopyOffered offer, SharedKillSwitch until) {
    RunCopy copy;
    try {
      copy = copies.computeIfAbsent(offer.run(), run -> RunCopy.open(root.orElseThrow(), run));
      if (!copy.begin(offer)) {
        offer.files().getSource().runWith(Sink.cancelled(), materializer);
        return CompletableFuture.completedFuture(copy.folder());
      }
    } catch (RuntimeException e) {
      offer.files().getSource().runWith(Sink.cancelled(), materializer);
      throw e;
    }
    return receive(offer, copy, until).handleAsync((done, error) -> finish(copy, error), files);
  }

  private CompletionStage<Done> receive(CopyOffered offer, RunCopy copy, SharedKillSwitch until) {
    // All of it on one dispatcher: between two there would be a buffer more.
    return offer
        .files()
        .getSource()
        .via(until.flow())
        .toMat(Sink.<RunBytes>foreach(copy::put), Keep.right())
        .withAttributes(
            StreamRefAttributes.bufferCapacity(UNDER_WAY)
                .and(ActorAttributes.dispatcher(Dispatchers.DefaultBlockingDispatcherId())))
        .run(materializer);
  }

  private static Path finish(RunCopy copy, Throwable error) {
    try {
      if (error != null) {
        throw Refusal.run(why(error), error);
      }
      copy.finish();
      return copy.folder();
    } catch (RuntimeException e) {
      copy.abandon();
      throw e;
    }
  }

  private Behavior<Command> ended(Ended done) {
    done.folder()
        .filter(folder -> !isTold)
        .ifPresent(
            folder -> {
              isTold = true;
              told.accept(
                  "keeps a copy of the run's checkpoints; if the coordinator's disk is lost, end this worker, put model and data where they were there, and the run goes on with: dunlin coordinator --resume --output %s"
                      .formatted(folder));
            });
    String sentence = done.folder().map(Path::toString).orElse(done.why());
    done.offer()
        .answer()
        .tell(new CopyEnded(done.offer().number(), done.folder().isPresent(), sentence));
    return this;
  }

  private static String why(Throwable error) {
    return Refusal.in(error)
        .map(Refusal::getMessage)
        .orElseGet(() -> "its files did not come to their end: " + error);
  }

  private Behavior<Command> stopped() {
    receiving.abort(Refusal.run("the worker ends"));
    last.whenComplete((done, error) -> copies.values().forEach(RunCopy::close));
    return this;
  }
}
