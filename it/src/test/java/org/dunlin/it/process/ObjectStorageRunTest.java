package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.dunlin.conf.checkpoint.CheckpointCheck;
import org.dunlin.data.checkpoint.CheckpointStore;
import org.dunlin.data.checkpoint.FolderName;
import org.dunlin.data.model.Sha256;
import org.gaul.s3proxy.S3Proxy;
import org.gaul.s3proxy.auth.AuthenticationType;
import org.gaul.s3proxy.nio2blob.TransientNio2BlobStore;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run whose checkpoints and their copies lie in a bucket, and on no disk. */
@Tag("process")
class ObjectStorageRunTest {
  private static final long STEPS = 60;
  private static final long STOP = 15;
  private static final Map<String, String> CLIENT =
      Map.of(
          "s3.spi.endpoint-protocol", "http",
          "s3.spi.force-path-style", "true",
          "aws.region", "us-east-1",
          "aws.accessKeyId", "key",
          "aws.secretAccessKey", "secret");

  @TempDir private Path temp;

  private S3Proxy server;

  @BeforeEach
  void serve() throws Exception {
    CLIENT.forEach(System::setProperty);
    TransientNio2BlobStore objects = new TransientNio2BlobStore();
    objects.createContainer("dunlin-bucket");
    server =
        S3Proxy.builder()
            .blobStore(objects)
            .awsAuthentication(AuthenticationType.AWS_V2_OR_V4, "key", "secret")
            .endpoint(URI.create("http://127.0.0.1:0"))
            .stopTimeout(0)
            .build();
    server.start();
  }

  @AfterEach
  void stop() throws Exception {
    server.stop();
    CLIENT.keySet().forEach(System::clearProperty);
  }

  @Test
  void shouldGoOnFromTheCopyOfACheckpointInABucket() throws Exception {
    Golden.train(keys(temp.resolve("calm")), STEPS);

    Path run = temp.resolve("run");
    Map<String, Object> keys = keys(run);
    keys.put("checkpoint.folder", uri("first"));
    keys.put("checkpoint.copy", uri("second"));
    assertThat(Golden.train(keys, STOP)).isEmpty();
    assertThat(run.resolve(CheckpointStore.FOLDER)).doesNotExist();
    CheckpointStore first = CheckpointStore.in(FolderName.path(uri("first")));
    // The stop comes while the disk, which is slow, still has an earlier one.
    assertThat(first.complete().getFirst()).isGreaterThanOrEqualTo(STOP);
    Path newest = first.folder(first.complete().getFirst());
    Files.delete(newest.resolve("README.md"));
    assertThat(verified("second")).contains(uri("second/" + newest.getFileName()) + ": after ");

    keys.put("run.resume", "newest");
    assertThat(Golden.train(keys, STEPS))
        .anyMatch(
            note ->
                note.contains("is read from its copy " + uri("second/" + newest.getFileName())));
    String weights = "model/model.safetensors";
    assertThat(Sha256.of(run.resolve(weights)))
        .isEqualTo(Sha256.of(temp.resolve("calm").resolve(weights)));
  }

  private String uri(String folder) {
    return "s3x://127.0.0.1:%d/dunlin-bucket/%s".formatted(server.getPort(), folder);
  }

  private String verified(String folder) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    PrintStream lines = new PrintStream(out, true, StandardCharsets.UTF_8);
    assertThat(CheckpointCheck.run(FolderName.path(uri(folder)), lines)).isZero();
    return out.toString(StandardCharsets.UTF_8);
  }

  private static Map<String, Object> keys(Path run) {
    Map<String, Object> keys = new HashMap<>(Golden.keys(run, STEPS, 0));
    keys.put("checkpoint.every-steps", 10);
    return keys;
  }
}
