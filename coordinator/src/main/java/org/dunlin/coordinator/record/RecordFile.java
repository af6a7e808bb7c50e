package org.dunlin.coordinator.record;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
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
import org.dunlin.coordinator.step.CutRecord;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.run.MicroBatchLimit;

/**
 * A run's records, in {@code records-TERM.jsonl} of the run folder: a line of JSON that says how
 * many records earlier terms left, then one a record.
 *
 * <p>Each term makes a file of its own, which must not exist yet, and appends to no other. What a
 * coordinator that lost its term still writes to its own file lies behind what the next term
 * counted, and is not read. A calm first term leaves no file.
 *
 * <p>One {@link #append} at a time, from any thread.
 */
public final class RecordFile implements Run.RecordLog {
  /** The names of all terms' files. */
  public static final Pattern NAMES = Pattern.compile("records-([1-9][0-9]{0,17})\\.jsonl");

  private static final String KIND = "micro-batch-limit";
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private final Path file;
  private final Term term;
  private final List<CutRecord> before;
  private boolean isMade;

  private RecordFile(Path file, Term term, List<CutRecord> before) {
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
  public static List<CutRecord> read(Path runFolder) {
    return read(files(runFolder));
  }

  /** What earlier terms recorded, in its order. */
  public List<CutRecord> before() {
    return before;
  }

  @Override
  public CompletionStage<Void> append(CutRecord record) {
    String line =
        "{\"record\":\"%s\",\"from_step\":%d,\"min_tokens\":%d,\"most_tokens\":%d}\n"
            .formatted(
                KIND, record.fromStep(), record.limit().minTokens(), record.limit().mostTokens());
    return CompletableFuture.runAsync(() -> write(line));
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

  private static List<CutRecord> read(NavigableMap<Long, Path> files) {
    List<CutRecord> records = new ArrayList<>();
    for (Path file : files.values()) {
      List<String> lines = wholeLines(file);
      if (lines.isEmpty()) {
        continue; // killed before its first line was there: it recorded nothing
      }
      int counted = number(file, 1, parsed(file, 1, lines.get(0)), "records_before", 0);
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

  private static CutRecord record(Path file, int at, String line) {
    JsonNode json = parsed(file, at, line);
    if (!json.path("record").asText().equals(KIND)) {
      throw broken(file, at, "is not a record of kind " + KIND);
    }
    return new CutRecord(
        number(file, at, json, "from_step", 0),
        new MicroBatchLimit(
            number(file, at, json, "min_tokens", 1), number(file, at, json, "most_tokens", 1)));
  }

  private static JsonNode parsed(Path file, int at, String line) {
    try {
      return JSON.readTree(line);
    } catch (JsonProcessingException e) {
      throw broken(file, at, "is not a line of JSON");
    }
  }

  private static int number(Path file, int at, JsonNode json, String key, int least) {
    JsonNode value = json.path(key);
    if (!value.canConvertToInt() || !value.isIntegralNumber() || value.asInt() < least) {
      throw broken(file, at, "has no %s that is a whole number from %d".formatted(key, least));
    }
    return value.asInt();
  }

  private static Refusal broken(Path file, int at, String what) {
    return Refusal.run(
        "%s, line %d: %s (expected: what Dunlin wrote); restore the file from a copy"
            .formatted(file, at, what));
  }
}
