package org.dunlin.data.plan;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.dunlin.data.draws.Draws;
import org.dunlin.data.samples.FileFacts;
import org.dunlin.data.samples.SampleFile;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.DataSpec.ByLength;

/**
 * Makes sources of files by FlagEmbedding's rules: all rows in one, or, with {@code
 * data.same-dataset}, each file by itself. Unlike there, no row is left out without a word.
 */
public final class Planner {
  private static final String NO_IN_BATCH = "no_in_batch_neg";

  private final DataSpec spec;
  private final BatchSpec batch;
  private final long seed;
  private final List<SampleFile> files;
  private final List<List<String>> notes = new ArrayList<>();
  private final List<int[]> rows = new ArrayList<>();
  private final List<String> how = new ArrayList<>();
  private final List<RowSource> sources = new ArrayList<>();

  private Planner(List<SampleFile> files, DataSpec spec, BatchSpec batch, long seed) {
    this.files = files;
    this.spec = spec;
    this.batch = batch;
    this.seed = seed;
  }

  /** The plan of a run's data; what does not fit in a file is refused with its place. */
  public static DataPlan plan(List<SampleFile> files, DataSpec spec, BatchSpec batch, long seed) {
    return new Planner(files, spec, batch, seed).plan();
  }

  private DataPlan plan() {
    for (int file = 0; file < files.size(); file++) {
      notes.add(new ArrayList<>());
      how.add("");
      rows.add(drawn(file));
    }
    List<String> warnings = new ArrayList<>();
    if (spec.distillation()) {
      checkScores(warnings);
    }
    if (spec.sameDataset()) {
      separate();
    } else {
      together();
    }
    if (sources.stream().allMatch(source -> source.rows().length == 0)) {
      throw Refusal.run("data: no row is left (%s)".formatted(String.join("; ", lines())));
    }
    return new DataPlan(new Sources(sources), uses(), warnings);
  }

  private List<FileUse> uses() {
    return IntStream.range(0, files.size())
        .mapToObj(
            file -> {
              int used = how.get(file).isEmpty() ? 0 : rows.get(file).length;
              return new FileUse(
                  files.get(file).path(),
                  files.get(file).rows(),
                  used,
                  how.get(file),
                  notes.get(file));
            })
        .toList();
  }

  private List<String> lines() {
    return uses().stream().map(FileUse::line).toList();
  }

  /** Of a file above the limit a part, drawn once for the whole run. */
  private int[] drawn(int file) {
    SampleFile source = files.get(file);
    int[] all = IntStream.range(source.firstRow(), source.firstRow() + source.rows()).toArray();
    if (all.length <= spec.maxRowsPerFile()) {
      return all;
    }
    new Draws(seed, Draws.Kind.SUB_SAMPLE, 0, file).shuffle(all, spec.maxRowsPerFile());
    int[] kept = Arrays.copyOf(all, spec.maxRowsPerFile());
    Arrays.sort(kept);
    notes
        .get(file)
        .add(
            "%d rows left out by data.max-rows-per-file %d"
                .formatted(all.length - kept.length, kept.length));
    return kept;
  }

  private void together() {
    int groupSize = batch.groupSize();
    for (int file = 0; file < files.size(); file++) {
      if (files.get(file).rows() > 0) {
        requireNegatives(file, groupSize);
        how.set(file, words(batch.pairs(), groupSize, true, spec.distillation()));
        if (endsInNoInBatch(file)) {
          notes.get(file).add("its name asks for no in-batch negatives: set data.same-dataset");
        }
      }
    }
    int[] all = rows.stream().flatMapToInt(Arrays::stream).toArray();
    sources.add(new RowSource(all, batch.pairs(), groupSize, true, spec.distillation(), false));
  }

  private void separate() {
    Map<Path, List<Integer>> joined = new LinkedHashMap<>();
    for (int file = 0; file < files.size(); file++) {
      int count = rows.get(file).length;
      files.get(file).facts().otherType().ifPresent(refuse(file));
      if (count == 0) {
        notes.get(file).add("it has none");
      } else if (count >= spec.smallThreshold()) {
        source(List.of(file));
      } else if (files.get(file).isInFolder()) {
        joined.computeIfAbsent(files.get(file).entry(), folder -> new ArrayList<>()).add(file);
      } else {
        notes.get(file).add("left out: fewer than data.small-threshold " + spec.smallThreshold());
      }
    }
    joined.values().forEach(this::join);
  }

  private java.util.function.Consumer<String> refuse(int file) {
    return what -> {
      throw Refusal.run(files.get(file).path() + ": " + what);
    };
  }

  /** Small files of a folder are one data set, if they are enough together. */
  private void join(List<Integer> members) {
    int total = members.stream().mapToInt(file -> rows.get(file).length).sum();
    if (total < spec.dropThreshold()) {
      members.forEach(
          file ->
              notes
                  .get(file)
                  .add(
                      "left out: the folder's %d files below data.small-threshold %d have %d rows together, fewer than data.drop-threshold %d"
                          .formatted(
                              members.size(), spec.smallThreshold(), total, spec.dropThreshold())));
      return;
    }
    FileFacts.FirstRow first = files.get(members.get(0)).facts().first();
    for (int file : members) {
      if (!files.get(file).facts().first().type().equals(first.type())) {
        throw Refusal.run(
            "%s: type %s (expected: %s, as %s, with which it is joined for having fewer rows than data.small-threshold %d)"
                .formatted(
                    files.get(file).path(),
                    files.get(file).facts().first().type().orElse("missing"),
                    first.type().orElse("missing"),
                    files.get(members.get(0)).path(),
                    spec.smallThreshold()));
      }
      if (members.size() > 1) {
        notes
            .get(file)
            .add(
                "in one data set with the folder's other %d small files"
                    .formatted(members.size() - 1));
      }
    }
    source(members);
  }

  private void source(List<Integer> members) {
    FileFacts.FirstRow first = files.get(members.get(0)).facts().first();
    int groupSize = groupSize(first);
    int pairs = members.stream().mapToInt(file -> pairs(file, groupSize)).min().orElseThrow();
    boolean inBatch = members.stream().noneMatch(this::endsInNoInBatch);
    boolean scored = members.stream().allMatch(this::isScored);
    for (int file : members) {
      requireNegatives(file, groupSize);
      how.set(file, words(pairs, groupSize, inBatch, scored));
      if (spec.distillation() && !scored) {
        notes.get(file).add("it has no teacher scores: its batches train without distillation");
      }
      if (files.get(file).facts().otherSizes() > 0) {
        notes
            .get(file)
            .add(
                "%d rows give another batch_size or train_group_size than the first, which decides"
                    .formatted(files.get(file).facts().otherSizes()));
      }
    }
    boolean symmetric =
        first
            .type()
            .filter(t -> t.equals("symmetric_sts") || t.equals("symmetric_clustering"))
            .isPresent();
    int[] all = members.stream().flatMapToInt(file -> Arrays.stream(rows.get(file))).toArray();
    sources.add(new RowSource(all, pairs, groupSize, inBatch, scored, symmetric));
  }

  private int groupSize(FileFacts.FirstRow first) {
    // FlagEmbedding reads a row's group size only if no file has a type.
    boolean anyType = files.stream().anyMatch(f -> f.facts().first().type().isPresent());
    int given =
        spec.compat() && anyType ? batch.groupSize() : first.groupSize().orElse(batch.groupSize());
    return switch (first.type().orElse("")) {
      case "only_1neg" -> 2;
      case "symmetric_class" -> Math.min(first.negatives() + 1, given);
      default -> given;
    };
  }

  private int pairs(int file, int groupSize) {
    FileFacts.FirstRow first = files.get(file).facts().first();
    int devices = spec.devices();
    if (first.batchSize().isPresent()) {
      return Math.multiplyExact(first.batchSize().getAsInt(), devices);
    }
    if (first.type().orElse("").contains("symmetric")) {
      return Math.max(1, batch.pairs() / devices / 2 * devices);
    }
    if (spec.byLength() == ByLength.BGE_M3_80GB) {
      String name = files.get(file).path().getFileName().toString();
      var listed = LengthTable.pairs(name, groupSize);
      if (listed.isPresent()) {
        return Math.multiplyExact(listed.getAsInt(), devices);
      }
      notes
          .get(file)
          .add("not in batch.by-length's table, which goes by name and group size 8 or 1");
    }
    return batch.pairs();
  }

  /**
   * By the folder's name if the folder was given, else by the file's, as in FlagEmbedding; and by
   * the file's in a folder too, because that is what such a name says.
   */
  private boolean endsInNoInBatch(int file) {
    SampleFile source = files.get(file);
    Path entry = source.entry().getFileName();
    if (source.isInFolder() && entry != null && entry.toString().endsWith(NO_IN_BATCH)) {
      return true;
    }
    String name = source.path().getFileName().toString();
    int end = name.lastIndexOf('.');
    boolean own = end > 0 && name.substring(0, end).endsWith(NO_IN_BATCH);
    return own && !(source.isInFolder() && spec.compat());
  }

  private void requireNegatives(int file, int groupSize) {
    Optional<Long> line = files.get(file).facts().lineWithoutNegatives();
    if (groupSize > 1 && line.isPresent()) {
      throw Refusal.run(
          "%s: line %d: no neg (expected: at least one for data.group-size %d); add negatives or set data.group-size to 1"
              .formatted(files.get(file).path(), line.get(), groupSize));
    }
  }

  private boolean isScored(int file) {
    return spec.distillation() && files.get(file).facts().scoresFault().isEmpty();
  }

  private void checkScores(List<String> warnings) {
    for (SampleFile file : files) {
      FileFacts facts = file.facts();
      boolean none = facts.unscored() == file.rows();
      if (facts.scoresFault().isPresent() && !(none && spec.sameDataset())) {
        throw Refusal.run(
            "%s: %s; add scores or switch distillation off"
                .formatted(file.path(), facts.scoresFault().get()));
      }
      if (facts.isNormalised()) {
        warnings.add(
            "%s: all teacher scores lie in %s to %s, as if normalised; distillation takes their softmax, which no two of them can then move by more than a factor of e, so the teacher says almost nothing: give raw logits"
                .formatted(file.path(), facts.leastScore(), facts.greatestScore()));
      }
    }
    boolean any = files.stream().anyMatch(f -> f.rows() > 0 && f.facts().scoresFault().isEmpty());
    if (!any) {
      throw Refusal.run(
          "data: no file has pos_scores and neg_scores (expected: at least one, with distillation)");
    }
  }

  private static String words(int pairs, int groupSize, boolean inBatch, boolean scored) {
    return "batches of %d, group of %d%s%s"
        .formatted(
            pairs,
            groupSize,
            inBatch ? "" : ", no in-batch negatives",
            scored ? ", teacher scores" : "");
  }
}
