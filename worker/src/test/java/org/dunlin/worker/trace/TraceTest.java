package org.dunlin.worker.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.dunlin.protocol.Refusal;
import org.dunlin.worker.engine.ComputeThreads;
import org.dunlin.worker.hang.HangWatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TraceTest {
  @TempDir private Path folder;

  @Test
  void showsEveryPieceOnItsThreadWithinTheWhole() throws Exception {
    Path file = folder.resolve("trace.json");
    try (Trace trace = Trace.to(file, "worker-1");
        ComputeThreads threads = new ComputeThreads(2, trace, HangWatch.NONE)) {
      Trace.Span whole = trace.begin("step 3");
      List<ComputeThreads.Work<Boolean>> work = new ArrayList<>();
      for (int piece = 0; piece < 5; piece++) {
        work.add(module -> true);
      }
      threads.run("encode", work);
      whole.end();
    }

    JsonNode events = new JsonMapper().readTree(file.toFile());
    List<JsonNode> pieces = named(events, "encode");
    JsonNode whole = named(events, "step 3").getFirst();
    assertThat(pieces).hasSize(5);
    for (JsonNode piece : pieces) {
      assertThat(piece.get("ph").asText()).isEqualTo("X");
      assertThat(piece.get("ts").asLong()).isGreaterThanOrEqualTo(whole.get("ts").asLong());
      assertThat(end(piece)).isLessThanOrEqualTo(end(whole) + 1);
      assertThat(threadName(events, piece)).startsWith("compute-");
    }
    assertThat(named(events, "process_name").getFirst().get("args").get("name").asText())
        .isEqualTo("worker-1");
  }

  @Test
  void refusesAFileThatCannotBeMade() {
    Path file = folder.resolve("missing/trace.json");
    assertThatThrownBy(() -> Trace.to(file, "worker-1"))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith(file + ": the trace cannot be written");
  }

  private static long end(JsonNode event) {
    return event.get("ts").asLong() + event.get("dur").asLong();
  }

  private static String threadName(JsonNode events, JsonNode of) {
    return named(events, "thread_name").stream()
        .filter(name -> name.get("tid").equals(of.get("tid")))
        .map(name -> name.get("args").get("name").asText())
        .findFirst()
        .orElseThrow();
  }

  private static List<JsonNode> named(JsonNode events, String name) {
    List<JsonNode> found = new ArrayList<>();
    for (JsonNode event : events) {
      if (event.get("name").asText().equals(name)) {
        found.add(event);
      }
    }
    return found;
  }
}
