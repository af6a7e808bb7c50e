package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.dunlin.conf.settings.Settings;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.EncoderSpec;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * A worker whose address space is too small for its micro-batches: libtorch is given no memory. A
 * long form, because it takes minutes: {@code -Dgroups=long -DexcludedGroups=
 * -Dtest=MemoryShortTest}.
 */
@Tag("long")
@EnabledOnOs(value = OS.LINUX, architectures = "amd64", disabledReason = "uses prlimit")
class MemoryShortTest {
  private static final String RECORDS = "records-1.jsonl";
  private static final int PAIRS = 256;
  private static final int TOKENS = 128;
  private static final int MICRO_BATCH = 2 * PAIRS * TOKENS;

  /** What a worker may map beyond an idle one: less than a graph of the whole batch takes. */
  private static final long ROOM = 480_000_000L;

  /** The same where a tenth of everything is kept free. */
  private static final long ROOM_TO_PROBE = 650_000_000L;

  @TempDir private Path folder;

  @Test
  void shouldGoOnWithSmallerMicroBatchesToTheBitsOfARunThatBeganWithThem() throws Exception {
    Path data = folder.resolve("long.jsonl");
    Files.writeString(data, longPairs());
    Path limited = folder.resolve("limited");
    List<String> limits = new ArrayList<>();
    long idle = AddressSpace.ofIdleWorker(folder, keys(limited, data, 1));
    try (Trainer trainer = Trainer.start(limited, keys(limited, data, 1))) {
      AddressSpace.limit(trainer.awaitProcess("worker-1"), idle + ROOM);

      assertThat(trainer.awaitExit()).as("output: %s", trainer.output()).isZero();

      List<String> records = Files.readAllLines(limited.resolve(RECORDS));
      for (String line : records.subList(1, records.size())) {
        JsonNode record = new ObjectMapper().readTree(line);
        assertThat(record.path("from_step").asLong()).isZero();
        assertThat(record.path("most_tokens").asInt()).isLessThan(MICRO_BATCH);
        limits.add(record.path("min_tokens").asInt() + ":" + record.path("most_tokens").asInt());
      }
      assertThat(limits).isNotEmpty().doesNotHaveDuplicates();
      assertThat(trainer.output())
          .filteredOn(line -> line.startsWith("memory ran out: from step 0 on"))
          .hasSameSizeAs(limits);
    }

    Path calm = folder.resolve("calm");
    Map<String, Object> keys = keys(calm, data, 0);
    keys.put("micro-batch.by-length", limits);
    try (Trainer trainer = Trainer.start(calm, keys)) {
      assertThat(trainer.awaitExit()).isZero();
    }
    assertThat(calm.resolve(RECORDS)).doesNotExist();
    assertThat(Files.mismatch(weights(limited), weights(calm))).isEqualTo(-1);

    Path uncut = folder.resolve("uncut");
    try (Trainer trainer = Trainer.start(uncut, keys(uncut, data, 0))) {
      assertThat(trainer.awaitExit()).isZero();
    }
    // Else the bits would say nothing about the records.
    assertThat(Files.mismatch(weights(limited), weights(uncut))).isNotEqualTo(-1);
  }

  @Test
  void shouldNeedNoRecordWithMicroBatchesFoundByProbing() throws Exception {
    Path data = folder.resolve("long.jsonl");
    Files.writeString(data, longPairs());
    Path run = folder.resolve("probed");
    Map<String, Object> keys = keys(run, data, 1);
    long idle = AddressSpace.ofIdleWorker(folder, keys);
    keys.put("micro-batch.probe", true);
    try (Trainer trainer = Trainer.startWithin(idle + ROOM_TO_PROBE, run, keys)) {
      assertThat(trainer.awaitExit()).as("output: %s", trainer.output()).isZero();
      assertThat(trainer.output())
          .anySatisfy(line -> assertThat(line).startsWith("probed: ").endsWith(", too much"));
    }
    assertThat(run.resolve(RECORDS)).doesNotExist();

    Settings found = Settings.load(Optional.of(run.resolve("run.conf")), Map.of());
    BatchSpec batch = found.batch(encoder(found));
    assertThat(batch.mostRows(TOKENS)).isLessThan(MICRO_BATCH / TOKENS).isPositive();
    assertThat(found.probes()).isFalse();

    // What is kept says how the run was cut: the same without any limit gives the same bits.
    Path again = folder.resolve("again");
    keys.put("run.output", again);
    keys.put("workers", 0);
    keys.put("micro-batch.probe", false);
    keys.put("micro-batch.by-length", limitsOf(batch));
    try (Trainer trainer = Trainer.start(again, keys)) {
      assertThat(trainer.awaitExit()).isZero();
    }
    assertThat(Files.mismatch(weights(run), weights(again))).isEqualTo(-1);
  }

  private static EncoderSpec encoder(Settings settings) {
    try (ModelFolder model = ModelFolder.open(settings.modelPath())) {
      return model.encoder();
    }
  }

  private static List<String> limitsOf(BatchSpec batch) {
    return batch.microBatchLimits().stream()
        .map(limit -> limit.minTokens() + ":" + limit.mostTokens())
        .toList();
  }

  private static Map<String, Object> keys(Path run, Path data, int workers) {
    Map<String, Object> keys = Golden.keys(run, 1, workers);
    keys.put("data.files", List.of(data));
    keys.put("data.query-max-tokens", TOKENS);
    keys.put("data.passage-max-tokens", TOKENS);
    keys.put("batch.size", PAIRS);
    keys.put("slots", 1);
    keys.put("micro-batch.tokens", MICRO_BATCH);
    keys.put("model.hidden-dropout", 0);
    keys.put("optimizer.warmup-ratio", 0);
    keys.put("compute-threads", 1);
    keys.put("heap-mib.worker", 1024);
    keys.put("heap-mib.coordinator", 256);
    return keys;
  }

  private static String longPairs() {
    StringBuilder rows = new StringBuilder();
    for (int row = 0; row < PAIRS; row++) {
      rows.append("{\"query\": \"").append(("question " + row + " ").repeat(TOKENS));
      rows.append("\", \"pos\": [\"").append(("answer " + row + " ").repeat(TOKENS));
      rows.append("\"]}\n");
    }
    return rows.toString();
  }

  private static Path weights(Path run) {
    return run.resolve("model/model.safetensors");
  }
}
