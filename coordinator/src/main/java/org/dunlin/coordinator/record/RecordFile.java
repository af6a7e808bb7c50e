package org.dunlin.coordinator.record;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.dunlin.coordinator.actor.Run;
import org.dunlin.coordinator.step.CutRecord;
import org.dunlin.protocol.Refusal;

/** {@code records.jsonl} in the run folder: one line of JSON a record. */
public final class RecordFile implements Run.RecordLog {
  public static final String NAME = "records.jsonl";

  private final Path path;

  public RecordFile(Path runFolder) {
    this.path = runFolder.resolve(NAME);
  }

  @Override
  public CompletionStage<Void> append(CutRecord record) {
    String line =
        "{\"record\":\"micro-batch-limit\",\"from_step\":%d,\"min_tokens\":%d,\"most_tokens\":%d}%n"
            .formatted(record.fromStep(), record.limit().minTokens(), record.limit().mostTokens());
    return CompletableFuture.runAsync(() -> write(line));
  }

  private void write(String line) {
    try (FileChannel file =
        FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
      ByteBuffer bytes = ByteBuffer.wrap(line.getBytes(StandardCharsets.UTF_8));
      while (bytes.hasRemaining()) {
        file.write(bytes);
      }
      file.force(true);
    } catch (IOException e) {
      throw Refusal.run(path + ": cannot be written: " + e.getMessage(), e);
    }
  }
}
