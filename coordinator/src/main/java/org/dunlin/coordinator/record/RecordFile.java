package org.dunlin.coordinator.record;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dunlin.coordinator.actor.Run;
import org.dunlin.coordinator.step.CheckpointPoint;
import org.dunlin.coordinator.step.CutRecord;
import org.dunlin.coordinator.step.EvaluationDue;
import org.dunlin.coordinator.step.EvaluationRecord;
import org.dunlin.coordinator.step.RunRecord;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.run.MicroBatchLimit;
import org.dunlin.protocol.run.Scalars;

/**
 * A run's records, in {@code records-TERM.jsonl} of the run folder: a line of JSON that says how
 * many records earlier terms left, then one a record.
 *
 * <p>Each term makes a file of its own, which must not exist yet, and appends to no other. What a
 * coordinator that lost its term still writes to its own file lies behind what the next term
 * counted, and is not read. A calm first term leaves no file.
 *
 * <p>Thread-safe; records are written one after the other, as {@link #append} was called.
 */
public final class RecordFile implements Run.RecordLog {
  /** The names of all terms' files. */
  public static final Pattern NAMES = Pattern.compile("records-([1-9][0-9]{0,17})\\.jsonl");

  private static final String CUT = "micro-batch-limit";
  private static final String DUE = "evaluation-due";
  private static final String MEASURED = "evaluation";
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private final Path file;
  private final Term term;
  private final List<RunRecord> before;
  private boolean isMade;
  private CompletableFuture<Void> last = CompletableFuture.completedFuture(null);

  private RecordFile(Path file, Term term, List<RunRecord> before) {
    this.file = file;
    this.term = term;
    this.before = before;
  }

  /**
   * Opens a term's file, and reads what earlier terms recorded.
   *
   * @param term one that this process holds, see {@link TermFile}
   */
  public static RecordFile open(Path runFolder, Term term) {
    Path file = runFolder.resolve("records-" + term + ".jsonl");
    NavigableMap<Long, Path> files = files(runFolder);
    if (!files.tailMap(term.number()).isEmpty()) {
      throw Refusal.run(
          "%s: is of term %d, and this is term %s (expected: terms that rise); another coordinator writes to this folder"
              .formatted(files.lastEntry().getValue(), files.lastKey(), term));
    }
    RecordFile records = new RecordFile(file, term, read(files));
    if (term.number() > 1) {
      records.make();
    }
    return records;
  }

  /** The records of a run so far, in their order. A last line that a death cut off is none. */
  public static List<RunRecord> read(Path runFolder) {
    return read(files(runFolder));
  }

  /** What earlier terms recorded, in its order. */
  public List<RunRecord> before() {
    return before;
  }

  /** Those of them that say how micro-batches are cut. */
  public List<CutRecord> cutsBefore() {
    return before.stream().filter(CutRecord.class::isInstance).map(CutRecord.class::cast).toList();
  }

  @Override
  public synchronized CompletionStage<Void> append(RunRecord record) {
    String line = line(record) + "\n";
    last = last.exceptionally(error -> null).thenRunAsync(() -> write(line));
    return last;
  }

  private static String line(RunRecord record) {
    ObjectNode json = JSON.createObjectNode();
    switch (record) {
      case CutRecord cut ->
          json.put("record", CUT)
              .put("from_step", cut.fromStep())
              .put("min_tokens", cut.limit().minTokens())
              .put("most_tokens", cut.limit().mostTokens());
      case EvaluationDue due -> {
        CheckpointPoint point = due.point();
        json.put("record", DUE)
            .put("steps", point.steps())
            .put("updates", point.scalars().updates())
            .put("loss_scale", point.scalars().lossScale())
            .put("good_steps", point.scalars().goodSteps())
            .put("checksum", point.checksum())
            .put("not_finite_in_a_row", point.notFinite());
      }
      case EvaluationRecord one -> {
        json.put("record", MEASURED).put("steps", one.steps()).put("set", one.set());
        if (!Double.isNaN(one.figure())) { // JSON has no such number
          json.put("figure", one.figure());
        }
      }
    }
    return json.toString();
  }

  private synchronized void write(String line) {
    if (!isMade) {
      make();
    }
    try {
      Durable.write(file, line, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw Refusal.run(file + ": cannot be written: " + e.getMessage(), e);
    }
  }

  private synchronized void make() {
    try {
      Durable.write(
          file,
          "{\"term\":%s,\"records_before\":%d}\n".formatted(term, before.size()),
          StandardOpenOption.CREATE_NEW,
          StandardOpenOption.WRITE);
      Durable.names(file.toAbsolutePath().getParent());
      isMade = true;
    } catch (FileAlreadyExistsException e) {
      throw Refusal.run(
          file + ": exists (expected: a term that nobody has had); another coordinator made it", e);
    } catch (IOException e) {
      throw Refusal.run(file + ": cannot be made: " + e.getMessage(), e);
    }
  }

  private static NavigableMap<Long, Path> files(Path runFolder) {
    NavigableMap<Long, Path> files = new TreeMap<>();
    try (Stream<Path> all = Files.list(runFolder)) {
      for (Path file : all.toList()) {
        Matcher name = NAMES.matcher(file.getFileName().toString());
        if (name.matches()) {
          files.put(Long.parseLong(name.group(1)), file);
        }
      }
    } catch (IOException e) {
      throw Refusal.run(runFolder + ": cannot be read: " + e.getMessage(), e);
    }
    return files;
  }

  private static List<RunRecord> read(NavigableMap<Long, Path> files) {
    List<RunRecord> records = new ArrayList<>();
    for (Path file : files.values()) {
      List<String> lines = wholeLines(file);
      if (lines.isEmpty()) {
        continue; // killed before its first line was there: it recorded nothing
      }
      int counted = int32(file, 1, parsed(file, 1, lines.get(0)), "records_before", 0);
      if (counted > records.size()) {
        throw Refusal.run(
            "%s: counts %d records before it, and %d are there (expected: all of them); a file of an earlier term was changed or removed"
                .formatted(file, counted, records.size()));
      }
      records.subList(counted, records.size()).clear();
      for (int at = 2; at <= lines.size(); at++) {
        records.add(record(file, at, lines.get(at - 1)));
      }
    }
    return List.copyOf(records);
  }

  // What lacks its end was never said to be written.
  private static List<String> wholeLines(Path file) {
    try {
      String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
      return text.substring(0, text.lastIndexOf('\n') + 1).lines().toList();
    } catch (IOException e) {
      throw Refusal.run(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private static RunRecord record(Path file, int at, String line) {
    JsonNode json = parsed(file, at, line);
    return switch (json.path("record").asText()) {
      case CUT ->
          new CutRecord(
              number(file, at, json, "from_step", 0),
              new MicroBatchLimit(
                  int32(file, at, json, "min_tokens", 1), int32(file, at, json, "most_tokens", 1)));
      case DUE -> new EvaluationDue(point(file, at, json));
      case MEASURED ->
          new EvaluationRecord(
              number(file, at, json, "steps", 1),
              json.path("set").asText(),
              json.has("figure") ? real(file, at, json, "figure") : Double.NaN);
      default ->
          throw broken(
              file, at, "is not a record of kind " + String.join(", ", CUT, DUE, MEASURED));
    };
  }

  private static CheckpointPoint point(Path file, int at, JsonNode json) {
    try {
      return new CheckpointPoint(
          number(file, at, json, "steps", 1),
          new Scalars(
              number(file, at, json, "updates", 0),
              real(file, at, json, "loss_scale"),
              int32(file, at, json, "good_steps", 0)),
          number(file, at, json, "checksum", Long.MIN_VALUE),
          number(file, at, json, "not_finite_in_a_row", 0));
    } catch (IllegalArgumentException e) {
      throw broken(file, at, "has " + e.getMessage());
    }
  }

  private static JsonNode parsed(Path file, int at, String line) {
    try {
      return JSON.readTree(line);
    } catch (JsonProcessingException e) {
      throw broken(file, at, "is not a line of JSON");
    }
  }

  private static int int32(Path file, int at, JsonNode json, String key, int least) {
    long value = number(file, at, json, key, least);
    if (value > Integer.MAX_VALUE) {
      throw broken(file, at, "has a %s above %d".formatted(key, Integer.MAX_VALUE));
    }
    return (int) value;
  }

  private static long number(Path file, int at, JsonNode json, String key, long least) {
    JsonNode value = json.path(key);
    if (!value.canConvertToLong() || !value.isIntegralNumber() || value.asLong() < least) {
      throw broken(file, at, "has no %s that is a whole number from %d".formatted(key, least));
    }
    return value.asLong();
  }

  private static double real(Path file, int at, JsonNode json, String key) {
    JsonNode value = json.path(key);
    if (!value.isNumber()) {
      throw broken(file, at, "has no %s that is a number".formatted(key));
    }
    return value.asDouble();
  }

  private static Refusal broken(Path file, int at, String what) {
    return Refusal.run(
        "%s, line %d: %s (expected: what Dunlin wrote); restore the file from a copy"
            .formatted(file, at, what));
  }
}
