package org.dunlin.coordinator.ledger;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.stream.Stream;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.ledger.LedgerRecord;
import org.dunlin.protocol.ledger.LedgerRecord.Commit;
import org.dunlin.protocol.ledger.LedgerRecord.Header;
import org.dunlin.protocol.ledger.LedgerRecord.Intent;
import org.dunlin.protocol.ledger.LedgerRecord.Renounce;
import org.dunlin.protocol.ledger.LedgerRecord.Rewind;

/**
 * Reads a run's ledger: the files of all terms, in their order, as one.
 *
 * <p>A step that is committed anew with the same checksum and samples, by a later term or
 * generation, is one commit and is given once. Samples are not kept: memory grows by some hundred
 * bytes a step. Works on the folder of a run that is going on, whose newest records it may miss.
 */
public final class LedgerReader {
  private final SortedMap<Term, Path> files;
  private final Map<Long, Known> known = new HashMap<>();
  private final Map<Long, Intent> intents = new HashMap<>();

  private final Checksums checksums = new Checksums();
  private long history;
  private long renounced = Long.MAX_VALUE;
  private Generation since = new Generation(0);

  private record Known(Term term, Generation generation, long content, long samples) {}

  private LedgerReader(SortedMap<Term, Path> files) {
    this.files = files;
  }

  /** Finds a run's files; none is a {@link Refusal}. */
  public static LedgerReader open(Path runFolder) {
    return find(runFolder)
        .orElseThrow(
            () ->
                Refusal.usage(
                    "%s: holds no %s (expected: the folder of a run that has begun)"
                        .formatted(runFolder, LedgerFile.name(new Term(1)))));
  }

  /** The same, for a run that may not have begun. */
  public static Optional<LedgerReader> find(Path runFolder) {
    SortedMap<Term, Path> files = new TreeMap<>();
    try (Stream<Path> entries = Files.list(runFolder)) {
      for (Path entry : entries.toList()) {
        Matcher name = LedgerFile.NAME.matcher(entry.getFileName().toString());
        if (name.matches()) {
          files.put(new Term(Long.parseLong(name.group(1))), entry);
        }
      }
    } catch (IOException e) {
      throw Refusal.usage(runFolder + ": cannot be read: " + e);
    }
    return files.isEmpty() ? Optional.empty() : Optional.of(new LedgerReader(files));
  }

  /** Of the first term that got as far as to write one. */
  public Optional<Header> header() {
    for (Map.Entry<Term, Path> file : files.entrySet()) {
      try (TermFile records = new TermFile(file.getValue())) {
        Optional<Header> header = header(file.getKey(), records);
        if (header.isPresent()) {
          return header;
        }
      }
    }
    return Optional.empty();
  }

  /**
   * Gives every committed step, in the order of the commits. Once.
   *
   * @throws Refusal where the ledger is damaged or contradicts itself, after what lies before
   */
  public void read(Consumer<CommittedStep> sink) {
    Optional<Header> first = header();
    for (Map.Entry<Term, Path> file : files.entrySet()) {
      intents.clear();
      try (TermFile records = new TermFile(file.getValue())) {
        Optional<Header> header = header(file.getKey(), records);
        if (header.isPresent() && !header.get().isOfTheRunOf(first.orElseThrow())) {
          throw records.refused("this term's run or data is another than the first term's");
        }
        for (Optional<LedgerRecord> entry = records.next();
            entry.isPresent();
            entry = records.next()) {
          switch (entry.get()) {
            case Header again -> throw records.refused("a second header (expected: one a file)");
            case Intent intent -> intents.put(intent.step(), intent);
            case Commit commit -> committed(file.getKey(), commit, records).ifPresent(sink);
            case Renounce renounce -> renounced(renounce);
            case Rewind rewind -> history = Math.max(history, rewind.history());
          }
        }
      }
    }
  }

  // Until they are committed again, steps from here on may be others.
  private void renounced(Renounce renounce) {
    checksums.forget(renounce.fromStep());
    renounced = Math.min(renounced, renounce.fromStep());
    since = renounce.generation();
  }

  /** What counts of each step, as far as it has been {@link #read}. */
  public Checksums checksums() {
    return checksums;
  }

  /** The generation before which nobody's state is of use, as far as it has been {@link #read}. */
  public Generation since() {
    return since;
  }

  /** How often the run has gone back to a checkpoint, as far as it has been {@link #read}. */
  public long history() {
    return history;
  }

  private static Optional<Header> header(Term term, TermFile records) {
    Optional<LedgerRecord> first = records.next();
    if (first.isEmpty()) {
      return Optional.empty();
    }
    if (!(first.get() instanceof Header header)) {
      throw records.refused("a record that is no header (expected: a header first)");
    }
    if (!header.term().equals(term)) {
      throw records.refused(
          "the header says term %s (expected: %s, as the file's name does)"
              .formatted(header.term(), term));
    }
    return Optional.of(header);
  }

  private Optional<CommittedStep> committed(Term term, Commit commit, TermFile records) {
    Intent intent = intents.remove(commit.step());
    Known before = known.get(commit.step());
    if (intent == null) {
      throw records.refused(
          before != null && before.term().equals(term)
              ? "step " + commit.step() + " is committed twice"
              : "step %d is committed (expected: its samples before that)"
                  .formatted(commit.step()));
    }
    CommittedStep step =
        new CommittedStep(
            commit.step(),
            intent.epoch(),
            term,
            commit.generation(),
            commit.checksum(),
            intent.sampleIds());
    Known now = new Known(term, commit.generation(), step.content(), step.samples());
    checksums.put(step.step(), step.checksum());
    if (before == null) {
      known.put(commit.step(), now);
      return Optional.of(step);
    }
    if (before.term().equals(term) && before.generation().equals(commit.generation())) {
      throw records.refused("step " + commit.step() + " is committed twice");
    }
    boolean renewed = step.step() >= renounced && before.samples() == now.samples();
    if (renewed) {
      known.put(step.step(), now);
    }
    if (before.content() != now.content() && !renewed) {
      throw records.refused(
          "step %d is committed with other samples or another gradient than in term %s, generation %s (expected: the same)"
              .formatted(commit.step(), before.term(), before.generation()));
    }
    return Optional.empty();
  }
}
