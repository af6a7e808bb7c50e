package org.dunlin.conf.launch;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Optional;
import org.dunlin.coordinator.report.RunEvent;

/** Events as lines of JSON: how a child process tells its supervisor. */
final class EventLines {
  private static final ObjectMapper JSON = new ObjectMapper().addMixIn(RunEvent.class, Named.class);

  @JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "event")
  @JsonSubTypes({
    @JsonSubTypes.Type(value = RunEvent.Processes.class, name = "processes"),
    @JsonSubTypes.Type(value = RunEvent.Started.class, name = "started"),
    @JsonSubTypes.Type(value = RunEvent.StepCommitted.class, name = "step-committed"),
    @JsonSubTypes.Type(value = RunEvent.Missed.class, name = "missed"),
    @JsonSubTypes.Type(value = RunEvent.Recorded.class, name = "recorded"),
    @JsonSubTypes.Type(value = RunEvent.Noted.class, name = "noted"),
    @JsonSubTypes.Type(value = RunEvent.Checkpointed.class, name = "checkpointed"),
    @JsonSubTypes.Type(value = RunEvent.Evaluated.class, name = "evaluated"),
    @JsonSubTypes.Type(value = RunEvent.Saved.class, name = "saved"),
    @JsonSubTypes.Type(value = RunEvent.Finished.class, name = "finished"),
    @JsonSubTypes.Type(value = RunEvent.Failed.class, name = "failed")
  })
  private interface Named {}

  private EventLines() {}

  static String write(RunEvent event) {
    try {
      return JSON.writerFor(RunEvent.class).writeValueAsString(event);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("event " + event + " has no JSON form", e);
    }
  }

  /** Empty if the line is none of ours. */
  static Optional<RunEvent> read(String line) {
    try {
      return line.startsWith("{")
          ? Optional.of(JSON.readValue(line, RunEvent.class))
          : Optional.empty();
    } catch (JsonProcessingException e) {
      return Optional.empty();
    }
  }
}
