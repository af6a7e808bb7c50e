package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.dunlin.coordinator.report.RunEvent;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class EventLinesTest {
  static List<RunEvent> events() {
    return List.of(
        new RunEvent.Processes(List.of(new RunEvent.Member("worker", "worker-1", 2, 3))),
        new RunEvent.Started(10, 2),
        new RunEvent.StepCommitted(
            1, 0, Double.NaN, Double.POSITIVE_INFINITY, 2e-5, false, 32768, 3, 8, 90, 100, 0.5),
        new RunEvent.Evaluated(20, "ndcg@10", 0.1 + 0.2, true, Map.of("ndcg@10", 0.1 + 0.2), 2.5),
        new RunEvent.Saved(10, "runs/\"a\"\n", "abc"),
        new RunEvent.Finished(10, true),
        new RunEvent.Failed("two\nlines"));
  }

  @ParameterizedTest
  @MethodSource("events")
  void shouldReadWhatItWroteFromOneLine(RunEvent event) {
    String line = EventLines.write(event);
    assertThat(line).doesNotContain("\n");
    assertThat(EventLines.read(line)).contains(event);
  }

  @Test
  void shouldTakeNothingElseForAnEvent() {
    assertThat(EventLines.read("[INFO] a library speaks")).isEmpty();
    assertThat(EventLines.read("{\"event\": \"new-in-the-next-version\"}")).isEmpty();
  }
}
