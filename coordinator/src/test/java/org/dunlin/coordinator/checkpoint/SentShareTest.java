package org.dunlin.coordinator.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.pekko.Done;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.japi.Pair;
import org.apache.pekko.stream.KillSwitches;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.SharedKillSwitch;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.StreamRefs;
import org.dunlin.data.checkpoint.PartWriter;
import org.dunlin.data.checkpoint.StateTensor;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.message.ToCoordinator.ShareOffered;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SentShareTest {
  private static final long LIMIT_SECONDS = 60;
  private static final WorkerId WORKER = new WorkerId("worker-2", 1);
  private static final Tensor LARGE = new Tensor("large", List.of(3L, 300_000L)); // over three MiB
  private static final List<StateTensor> TENSORS =
      List.of(
          new StateTensor(Kind.PARAMETER, LARGE),
          new StateTensor(Kind.FIRST_MOMENT, new Tensor("small", List.of(5L))));

  private static ActorSystem system;

  @TempDir Path temp;

  private final SharedKillSwitch until = KillSwitches.shared("test");

  @BeforeAll
  static void start() {
    system = ActorSystem.create("share", ConfigFactory.parseString("pekko.loglevel = WARNING"));
  }

  @AfterAll
  static void stop() throws Exception {
    system.terminate();
    system.getWhenTerminated().toCompletableFuture().get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  @Test
  void shouldWriteTheFileThatTheMemberWouldHaveWritten() throws Exception {
    Path own = Files.createDirectory(temp.resolve("own"));
    CheckpointPart expected;
    try (PartWriter writer = PartWriter.create(own, WORKER.toString(), 1, 2, TENSORS)) {
      for (StateChunk chunk : chunks()) {
        writer.put(chunk.kind(), chunk.tensor(), chunk.firstElement(), chunk.values());
      }
      expected = writer.finish();
    }
    Path sent = Files.createDirectory(temp.resolve("sent"));
    assertThat(get(write(sent, Source.from(chunks())))).isEqualTo(expected);
    assertThat(files(sent)).containsExactly(Path.of(expected.file()));
    assertThat(Files.mismatch(own.resolve(expected.file()), sent.resolve(expected.file())))
        .isEqualTo(-1);
  }

  @Test
  void shouldLeaveNothingOfAMemberThatDies() throws Exception {
    List<StateChunk> some = chunks().subList(0, 2);
    for (Source<StateChunk, NotUsed> broken :
        List.of(
            Source.from(some), // which would be a death that looks like an end
            Source.from(some).concat(Source.failed(new IllegalStateException("gone"))),
            Source.from(chunks().subList(1, 3)))) {
      Throwable why = cause(write(temp, broken));
      assertThat(why).isNotInstanceOf(Refusal.class);
      assertThat(files(temp)).isEmpty();
    }
  }

  @Test
  void shouldLeaveNothingOfACheckpointThatIsGivenUp() throws Exception {
    CompletionStage<CheckpointPart> written =
        write(temp, Source.from(chunks().subList(0, 2)).concat(Source.never()));
    until.abort(Refusal.run("given up"));
    assertThat(cause(written)).hasMessage("given up");
    assertThat(files(temp)).isEmpty();
  }

  @Test
  void shouldRefuseInASentenceAndLetTheMemberGoWhereTheDiskTakesNothing() throws Exception {
    Path none = temp.resolve("none");
    Pair<CompletionStage<Done>, SourceRef<StateChunk>> sent =
        Source.<StateChunk>never()
            .watchTermination(Keep.right())
            .toMat(StreamRefs.<StateChunk>sourceRef(), Keep.both())
            .run(system);
    assertThat(cause(write(none, sent.second())))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith(none.resolve("part-2-of-2-worker-2#1.safetensors") + ": cannot be");
    get(sent.first());
  }

  @Test
  void shouldRefuseInASentenceWhereTheDiskFailsAtTheEnd() throws Exception {
    Path folder = Files.createDirectory(temp.resolve("folder"));
    Source<StateChunk, NotUsed> values =
        Source.from(chunks())
            .map(
                chunk -> {
                  if (chunk.tensor().equals("small")) {
                    remove(folder);
                  }
                  return chunk;
                });
    assertThat(cause(write(folder, values)))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith(folder.toString())
        .hasMessageContaining("cannot be written: there is no ");
  }

  private CompletionStage<CheckpointPart> write(Path folder, Source<StateChunk, NotUsed> values) {
    return write(folder, values.runWith(StreamRefs.sourceRef(), system));
  }

  private CompletionStage<CheckpointPart> write(Path folder, SourceRef<StateChunk> values) {
    return SentShare.write(
        folder,
        new ShareOffered(WORKER, new Term(1), 3, 1, 2, values),
        TENSORS,
        until,
        Materializer.matFromSystem(system));
  }

  private static List<StateChunk> chunks() {
    Random random = new Random(4);
    return TENSORS.stream()
        .flatMap(of -> StateChunk.pieces(of.kind(), of.tensor().name(), of.tensor().elements()))
        .map(
            piece -> {
              byte[] bytes = new byte[piece.floats() * Float.BYTES];
              random.nextBytes(bytes);
              return new StateChunk(
                  piece.kind(), piece.tensor(), piece.firstElement(), ByteBuffer.wrap(bytes));
            })
        .toList();
  }

  private static void remove(Path folder) {
    try {
      for (Path file : files(folder)) {
        Files.delete(folder.resolve(file));
      }
      Files.delete(folder);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<Path> files(Path folder) throws IOException {
    try (Stream<Path> all = Files.list(folder)) {
      return all.map(Path::getFileName).toList();
    }
  }

  private static <T> T get(CompletionStage<T> stage) throws Exception {
    return stage.toCompletableFuture().get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  private static Throwable cause(CompletionStage<?> stage) {
    return assertThrows(ExecutionException.class, () -> get(stage)).getCause();
  }
}
