package org.dunlin.conf.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.protocol.Refusal;

/**
 * {@code nodes.json}: where the coordinator and the workers of a run are in its cluster. Written by
 * the coordinator, for whoever comes in its place when it dies; gone when the run is over.
 */
public final class NodesFile implements Watcher {
  public static final String NAME = "nodes.json";

  /**
   * What a coordinator left.
   *
   * @param coordinator its own address, as {@code pekko://dunlin@host:port}
   * @param workers those of the workers that it knew
   */
  public record Nodes(String coordinator, List<String> workers) {
    /** Where the coordinator listened. */
    public int port() {
      return Integer.parseInt(coordinator.substring(coordinator.lastIndexOf(':') + 1));
    }
  }

  private static final Pattern ADDRESS = Pattern.compile("pekko://\\S+:[0-9]{1,5}");

  private final WholeFile file;

  public NodesFile(Path runFolder) {
    this.file = new WholeFile(runFolder.resolve(NAME));
  }

  @Override
  public void accept(RunEvent event) {
    if (event instanceof RunEvent.Processes now) {
      write(now.processes());
    }
  }

  private void write(List<RunEvent.Member> processes) {
    String coordinator = "";
    List<String> workers = new ArrayList<>();
    for (RunEvent.Member member : processes) {
      if (member.role().equals("coordinator")) {
        coordinator = member.node();
      } else if (!member.node().isEmpty()) {
        workers.add(member.node());
      }
    }
    file.write(Map.of("coordinator", coordinator, "workers", workers));
  }

  /** What the last coordinator left; empty if its run was over, or it had not begun. */
  public static Optional<Nodes> read(Path runFolder) {
    Path path = runFolder.resolve(NAME);
    if (!Files.exists(path)) {
      return Optional.empty();
    }
    try {
      JsonNode read = new ObjectMapper().readTree(path.toFile());
      List<String> workers = new ArrayList<>();
      read.path("workers").forEach(worker -> workers.add(worker.asText()));
      Nodes left = new Nodes(read.path("coordinator").asText(), List.copyOf(workers));
      if (!Stream.concat(Stream.of(left.coordinator()), workers.stream())
          .allMatch(ADDRESS.asMatchPredicate())) {
        throw unreadable(path, "an address is missing");
      }
      return Optional.of(left);
    } catch (JsonProcessingException e) {
      throw unreadable(path, e.getOriginalMessage());
    } catch (IOException e) {
      throw Refusal.run(path + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private static Refusal unreadable(Path path, String why) {
    return Refusal.run(
        "%s: is not what a coordinator wrote: %s (expected: the addresses of the run's nodes); remove it, and the run goes on from its newest checkpoint"
            .formatted(path, why));
  }

  @Override
  public void close() {
    try {
      Files.deleteIfExists(file.path());
    } catch (IOException e) {
      // Those that it names have ended too.
    }
  }
}
