package org.dunlin.data.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.gaul.s3proxy.S3Proxy;
import org.gaul.s3proxy.auth.AuthenticationType;
import org.gaul.s3proxy.nio2blob.TransientNio2BlobStore;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Checkpoints in a bucket, through a file system over S3 as a person would put it on the class
 * path, and a server of S3 in this process.
 */
class ObjectStorageTest {
  private static final String BUCKET = "dunlin-bucket";
  private static final Map<String, String> CLIENT =
      Map.of(
          "s3.spi.endpoint-protocol", "http",
          "s3.spi.force-path-style", "true",
          "aws.region", "us-east-1",
          "aws.accessKeyId", "key",
          "aws.secretAccessKey", "secret");

  private static S3Proxy server;

  @TempDir Path temp;

  private SmallRun run;
  private Path root;
  private CheckpointStore store;

  @BeforeAll
  static void serve() throws Exception {
    CLIENT.forEach(System::setProperty);
    TransientNio2BlobStore objects = new TransientNio2BlobStore();
    objects.createContainer(BUCKET);
    server =
        S3Proxy.builder()
            .blobStore(objects)
            .awsAuthentication(AuthenticationType.AWS_V2_OR_V4, "key", "secret")
            .endpoint(URI.create("http://127.0.0.1:0"))
            .stopTimeout(0)
            .build();
    server.start();
  }

  @AfterAll
  static void stop() throws Exception {
    server.stop();
    CLIENT.keySet().forEach(System::clearProperty);
  }

  @BeforeEach
  void open() throws Exception {
    run = SmallRun.in(temp.resolve("model"), Frozen.POSITIONS);
    root = FolderName.path(uri(BUCKET, temp.getFileName().toString()));
    store = CheckpointStore.in(root);
  }

  @AfterEach
  void close() {
    run.close();
  }

  private static String uri(String bucket, String folder) {
    return "s3x://127.0.0.1:%d/%s/%s".formatted(server.getPort(), bucket, folder);
  }

  @Test
  void shouldGiveBackWhatWasWrittenAndKeepAsManyAsItIsTold() throws Exception {
    assertThat(store.isThere()).isFalse();
    assertThat(store.newest(this::unexpected)).isEmpty();
    run.write(store, 20, 2);
    run.write(store, 40, 3);
    assertThat(store.isThere()).isTrue();
    assertThat(store.complete()).containsExactly(40L, 20L);
    requireNewest(40);
    assertThat(store.begin(40, 0)).isEmpty();
    store.keep(new Retention(1, 0, Set.of()));
    assertThat(store.complete()).containsExactly(40L);
    assertThat(Disk.entries(root)).hasSize(1);
    requireNewest(40);
    store.dropAfter(-1);
    assertThat(Disk.entries(root)).isEmpty();
  }

  @Test
  void shouldNameWhatADeathLeftAndTakeTheOneBefore() throws Exception {
    run.write(store, 20, 2);
    Path begun = store.begin(40, 0).orElseThrow();
    run.write(begun, 40, 0, 2);
    PartWriter.create(begun, "worker-2#1", 1, 2, List.of()).close(); // what it gives up goes
    assertThat(Disk.entries(begun)).hasSize(1);
    assertThat(store.incomplete()).containsExactly(40L);
    requireSkipped("holds no manifest.json");
    Path again = store.begin(40, 0).orElseThrow();
    assertThat(Disk.entries(again)).isEmpty();
    store.abandon(40);
    assertThat(store.incomplete()).isEmpty();
    run.write(store.begin(40, 0).orElseThrow(), 40, 0, 2);
    run.write(store, 60, 2);
    store.keep(new Retention(2, 0, Set.of()));
    assertThat(store.incomplete()).isEmpty();
    assertThat(store.complete()).containsExactly(60L, 20L);
    requireNewest(60);
  }

  @Test
  void shouldNameAFlippedBitAndTakeTheOneBefore() throws Exception {
    run.write(store, 20, 2);
    run.write(store, 40, 3);
    for (Path file : Disk.entries(store.folder(40))) {
      byte[] whole = Files.readAllBytes(file);
      byte[] flipped = whole.clone();
      flipped[whole.length / 2] ^= 1;
      Files.write(file, flipped);
      CheckpointFolders folders = CheckpointFolders.of(root, Optional.empty());
      List<String> told = new ArrayList<>();
      Optional<Long> newest = folders.newest(ObjectStorageTest::verified, told::add);
      assertThat(newest).as(file.toString()).hasValue(20L);
      assertThat(told).singleElement().asString().contains(Disk.name(file)).doesNotContain("\n");
      Files.delete(file);
      told.clear();
      assertThat(folders.newest(ObjectStorageTest::verified, told::add)).hasValue(20L);
      assertThat(told).singleElement().asString().contains(Disk.name(file)).doesNotContain("\n");
      Files.write(file, whole);
    }
    requireNewest(40);
  }

  @Test
  void shouldCopyFromADiskAndGoBackToTheCopy() throws Exception {
    Path disk = temp.resolve("checkpoints");
    CheckpointFolders folders = CheckpointFolders.of(disk, Optional.of(root));
    for (long steps : List.of(20L, 40L, 60L)) {
      run.write(folders.first(), steps, 2);
      folders.copy(steps);
      folders.keep(new Retention(2, 0, Set.of()));
      folders.keepCopies(new Retention(2, 0, Set.of()));
    }
    assertThat(store.complete()).containsExactly(60L, 40L);
    folders.copy(60); // in place of the one that is there
    for (Path file : Disk.entries(folders.first().folder(60))) {
      Path copy = store.folder(60).resolve(Disk.name(file));
      assertThat(Files.readAllBytes(copy)).isEqualTo(Files.readAllBytes(file));
    }
    folders.first().dropAfter(-1);
    List<String> told = new ArrayList<>();
    assertThat(folders.newest(ObjectStorageTest::verified, told::add)).hasValue(60L);
    assertThat(told).singleElement().asString().contains("is read from its copy");
  }

  @Test
  void shouldBeTheSameFolderInEveryProcess() {
    assertThat(FolderName.of(store.folder(20)))
        .isEqualTo(uri(BUCKET, temp.getFileName() + "/step-000020"));
    assertThat(FolderName.path(FolderName.of(store.folder(20)))).isEqualTo(store.folder(20));
  }

  @Test
  void shouldSayThatThereIsNoBucket() {
    CheckpointStore none = CheckpointStore.in(FolderName.path(uri("no-such-bucket", "run")));
    assertThatThrownBy(() -> none.begin(20, 0))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining(uri("no-such-bucket", "run/step-000020") + ": cannot be made: ")
        .hasMessageContaining("NoSuchBucket");
    assertThatThrownBy(() -> none.newest(this::unexpected)).isInstanceOf(Refusal.class);
  }

  private static long verified(Checkpoint checkpoint) {
    checkpoint.verify(file -> {});
    return checkpoint.manifest().place().steps();
  }

  private void requireNewest(long steps) {
    try (Checkpoint checkpoint = store.newest(this::unexpected).orElseThrow()) {
      assertThat(verified(checkpoint)).isEqualTo(steps);
      assertThat(SmallRun.read(checkpoint, run.tensors()).equals(run.state(steps))).isTrue();
    }
  }

  private void requireSkipped(String why) {
    List<String> skipped = new ArrayList<>();
    try (Checkpoint checkpoint = store.newest(skipped::add).orElseThrow()) {
      assertThat(verified(checkpoint)).isEqualTo(20);
    }
    assertThat(skipped).singleElement().asString().startsWith("checkpoint after 40").contains(why);
  }

  private void unexpected(String skipped) {
    throw new AssertionError(skipped);
  }
}
