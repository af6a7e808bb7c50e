package org.dunlin.data.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.dunlin.data.samples.SampleFiles;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.DataSpec.ByLength;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which rows meet in a batch, and that none is left out without a word. */
class PlannerTest {
  private static final BatchSpec BATCH = batch(8);

  @TempDir Path folder;

  @Test
  void shouldMixAllFilesUnlessAskedNotTo() throws Exception {
    write("a.jsonl", 5, "\"type\": \"only_1neg\", \"batch_size\": 2");
    write("b_no_in_batch_neg.jsonl", 7, "");
    DataPlan plan = plan(plain());
    assertThat(plan.sources().all()).hasSize(1);
    assertThat(plan.sources().all().get(0).rows()).hasSize(12);
    assertThat(plan.sources().steps(1)).isEqualTo(2);
    assertThat(plan.lines())
        .containsExactly(
            folder.resolve("a.jsonl") + ": 5 of 5 rows, batches of 8, group of 8",
            folder.resolve("b_no_in_batch_neg.jsonl")
                + ": 7 of 7 rows, batches of 8, group of 8; its name asks for no in-batch"
                + " negatives: set data.same-dataset");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "a.jsonl | `` | batches of 8, group of 8",
        "a.jsonl | \"type\": \"normal\" | batches of 8, group of 8",
        "a.jsonl | \"batch_size\": 3 | batches of 6, group of 8",
        "a.jsonl | \"train_group_size\": 4 | batches of 8, group of 4",
        "a.jsonl | \"type\": \"only_1neg\" | batches of 8, group of 2",
        "a.jsonl | \"type\": \"symmetric_class\" | batches of 4, group of 4",
        "a.jsonl | \"type\": \"symmetric_class\", \"train_group_size\": 3 | batches of 4, group of 3",
        "a.jsonl | \"type\": \"symmetric_sts\" | batches of 4, group of 8",
        "a.jsonl | \"type\": \"symmetric_sts\", \"batch_size\": 5 | batches of 10, group of 8",
        "a_no_in_batch_neg.jsonl | `` | batches of 8, group of 8, no in-batch negatives",
        "no_in_batch_neg_a.jsonl | `` | batches of 8, group of 8",
        "a_len-0-500.jsonl | `` | batches of 96, group of 8",
        "a_len-7000-inf.jsonl | `` | batches of 16, group of 8",
        "a_len-0-500.jsonl | \"type\": \"only_1neg\" | batches of 8, group of 2; not in batch.by-length's table, which goes by name and group size 8 or 1",
        "a_len-0-500.jsonl | \"train_group_size\": 1 | batches of 1400, group of 1",
      })
  void shouldTakeWhatTheFirstRowAndTheNameSay(String name, String keys, String how)
      throws Exception {
    write(name, 40, keys);
    ByLength table = name.contains("len-") ? ByLength.BGE_M3_80GB : ByLength.NONE;
    DataSpec spec = new DataSpec(true, 0, 0, 1000, 0, DataSpec.Texts.BARE, false, 2, table, false);
    assertThat(plan(spec).files().get(0).line())
        .isEqualTo("%s: 40 of 40 rows, %s".formatted(folder.resolve(name), how));
  }

  @Test
  void shouldSayThatLaterRowsDoNotDecide() throws Exception {
    Files.writeString(
        folder.resolve("a.jsonl"),
        row("\"batch_size\": 4") + row("") + row("\"batch_size\": 4") + row("\"batch_size\": 5"));
    assertThat(plan(sameDataset(0, 0)).files().get(0).line())
        .endsWith(
            "4 of 4 rows, batches of 4, group of 8; 2 rows give another batch_size or"
                + " train_group_size than the first, which decides");
  }

  @Test
  void shouldKeepSmallFilesByTheThresholds() throws Exception {
    write("big.jsonl", 20, "");
    write("small1.jsonl", 4, "\"batch_size\": 3");
    write("small2.jsonl", 5, "\"batch_size\": 2");
    DataPlan kept = plan(sameDataset(10, 9));
    assertThat(kept.sources().all()).extracting(RowSource::pairs).containsExactly(8, 2);
    assertThat(kept.sources().all().get(1).rows()).hasSize(9);
    assertThat(kept.files().get(1).line()).contains("in one data set with the folder's other 1");
    DataPlan dropped = plan(sameDataset(10, 10));
    assertThat(dropped.sources().rows()).isEqualTo(20);
    assertThat(dropped.files().get(2).line())
        .endsWith(
            "small2.jsonl: 0 of 5 rows; left out: the folder's 2 files below data.small-threshold"
                + " 10 have 9 rows together, fewer than data.drop-threshold 10");
    // A file that is named itself is not joined.
    DataPlan named =
        plan(sameDataset(10, 0), folder.resolve("small1.jsonl"), folder.resolve("big.jsonl"));
    assertThat(named.files().get(0).line())
        .endsWith("0 of 4 rows; left out: fewer than data.small-threshold 10");
    assertThatThrownBy(() -> plan(sameDataset(30, 30)))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith("data: no row is left (");
  }

  @Test
  void shouldDrawFromAFileThatIsTooLong() throws Exception {
    write("a.jsonl", 50, "");
    write("b.jsonl", 3, "");
    DataSpec spec =
        new DataSpec(false, 0, 0, 10, 0, DataSpec.Texts.BARE, false, 1, ByLength.NONE, false);
    DataPlan plan = plan(spec);
    assertThat(plan.files().get(0).line())
        .endsWith("; 40 rows left out by data.max-rows-per-file 10");
    int[] rows = plan.sources().all().get(0).rows();
    assertThat(rows).hasSize(13).isSorted().endsWith(50, 51, 52).doesNotHaveDuplicates();
    assertThat(plan(spec).sources().all().get(0).rows()).isEqualTo(rows);
  }

  @Test
  void shouldTellNoInBatchSourcesByNameAlsoWithATrailingSlash() throws Exception {
    Path sub = Files.createDirectory(folder.resolve("x.no_in_batch_neg"));
    Files.writeString(sub.resolve("a.jsonl"), row("").repeat(3));
    for (String given : List.of(sub.toString(), sub + "/")) {
      DataPlan plan = plan(sameDataset(0, 0), Path.of(given));
      assertThat(plan.sources().all().get(0).inBatchNegatives()).isFalse();
    }
    Path within = Files.createDirectory(folder.resolve("mixed"));
    Files.writeString(within.resolve("b_no_in_batch_neg.jsonl"), row("").repeat(3));
    assertThat(plan(sameDataset(0, 0), within).sources().all().get(0).inBatchNegatives()).isFalse();
    DataSpec compat =
        new DataSpec(true, 0, 0, 1000, 0, DataSpec.Texts.BARE, false, 1, ByLength.NONE, true);
    assertThat(plan(compat, within).sources().all().get(0).inBatchNegatives()).isTrue();
  }

  @Test
  void shouldRefuseAFileWithMixedTypes() throws Exception {
    Path file = folder.resolve("a.jsonl");
    Files.writeString(
        file, row("\"type\": \"normal\"") + "\n" + row("\"type\": \"symmetric_sts\""));
    assertThatThrownBy(() -> plan(sameDataset(0, 0)))
        .isInstanceOf(Refusal.class)
        .hasMessage(file + ": line 3: type 'symmetric_sts' (expected: 'normal', as in line 1)");
    plan(plain()); // where type means nothing
    Files.writeString(file, row("\"type\": \"normal\"") + row(""));
    assertThatThrownBy(() -> plan(sameDataset(0, 0)))
        .hasMessageContaining("line 2: type missing (expected: 'normal'");
  }

  @Test
  void shouldRefuseAFileWithoutNegativesWhereTheyAreNeeded() throws Exception {
    Path file = folder.resolve("a.jsonl");
    Files.writeString(file, row("") + "{\"query\": \"q\", \"pos\": [\"p\"]}\n");
    for (DataSpec spec : List.of(plain(), sameDataset(0, 0))) {
      assertThatThrownBy(() -> plan(spec))
          .isInstanceOf(Refusal.class)
          .hasMessageStartingWith(file + ": line 2: no neg (expected: at least one for data.group");
    }
    Files.writeString(
        file, "{\"query\": \"q\", \"pos\": [\"p\"], \"train_group_size\": 1}\n".repeat(2));
    assertThat(plan(sameDataset(0, 0)).sources().rows()).isEqualTo(2);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`` | lacks pos_scores (expected: 1, a finite number for each pos)",
        "\"pos_scores\": [1] | lacks neg_scores (expected: 3, a finite number for each neg)",
        "\"pos_scores\": [1, 2], \"neg_scores\": [1, 2, 3] | pos_scores has 2 values (expected: 1,",
        "\"pos_scores\": [1], \"neg_scores\": [1, 2] | neg_scores has 2 values (expected: 3,",
        "\"pos_scores\": [1], \"neg_scores\": [1, 2, null] | neg_scores has a value that is no number",
        "\"pos_scores\": [NaN], \"neg_scores\": [1, 2, 3] | pos_scores has a value that is no number",
        "\"pos_scores\": 7, \"neg_scores\": [1, 2, 3] | lacks pos_scores",
      })
  void shouldRefuseMissingAndRaggedScoresOnlyWithDistillation(String keys, String sentence)
      throws Exception {
    Path file = folder.resolve("a.jsonl");
    Files.writeString(file, row("\"pos_scores\": [9], \"neg_scores\": [1, -2, 3.5]") + row(keys));
    plan(plain());
    for (boolean separate : List.of(true, false)) {
      assertThatThrownBy(() -> plan(distilling(separate)))
          .isInstanceOf(Refusal.class)
          .hasMessageStartingWith(file + ": line 2: " + sentence)
          .hasMessageEndingWith("; add scores or switch distillation off");
    }
  }

  @Test
  void shouldTrainAFileWithoutScoresWithoutDistillationIfItIsASourceOfItsOwn() throws Exception {
    write("a.jsonl", 4, "\"pos_scores\": [9], \"neg_scores\": [1, -2, 3.5]");
    write("b.jsonl", 4, "");
    DataPlan plan = plan(distilling(true));
    assertThat(plan.sources().all()).extracting(RowSource::isScored).containsExactly(true, false);
    assertThat(plan.files().get(1).line()).contains("its batches train without distillation");
    assertThat(plan.warnings()).isEmpty();
    assertThatThrownBy(() -> plan(distilling(false)))
        .hasMessageContaining("b.jsonl: line 1: lacks");
    assertThatThrownBy(() -> plan(distilling(true), folder.resolve("b.jsonl")))
        .hasMessageContaining("no file has pos_scores and neg_scores");
  }

  @Test
  void shouldWarnOfScoresThatLookNormalised() throws Exception {
    write("a.jsonl", 4, "\"pos_scores\": [0.9], \"neg_scores\": [0.25, 0.5, 1.0]");
    write("b.jsonl", 4, "\"pos_scores\": [1.1], \"neg_scores\": [0, 0, 0]");
    List<String> warnings = plan(distilling(false)).warnings();
    assertThat(warnings).hasSize(1);
    assertThat(warnings.get(0))
        .startsWith(folder.resolve("a.jsonl") + ": all teacher scores lie in 0.25 to 1.0, as if")
        .contains("give raw logits");
  }

  @Test
  void shouldPlanTheReferencesFiles() throws Exception {
    Path golden = Path.of(System.getProperty("dunlin.fixtures"), "same_dataset");
    DataPlan plan = plan(sameDataset(0, 0), golden);
    assertThat(
            plan.files().stream()
                .map(f -> f.line().replace(golden + "/", ""))
                .collect(Collectors.joining("\n")))
        .isEqualTo(
            """
            hard_no_in_batch_neg.jsonl: 32 of 32 rows, batches of 8, group of 8, no in-batch negatives
            plain_len-128-inf.jsonl: 20 of 20 rows, batches of 8, group of 8
            plain_len-24-64.jsonl: 8 of 8 rows, batches of 8, group of 8
            plain_len-64-128.jsonl: 68 of 68 rows, batches of 8, group of 8
            typed_normal.jsonl: 24 of 24 rows, batches of 8, group of 8
            typed_only_1neg.jsonl: 24 of 24 rows, batches of 8, group of 2
            typed_sts.jsonl: 24 of 24 rows, batches of 4, group of 8""");
    assertThat(plan.sources().all().stream().filter(RowSource::symmetric)).hasSize(1);
    EpochPlan epoch = new EpochPlan(3, 0, plan.sources(), BATCH);
    int[] used =
        IntStream.range(0, epoch.windows())
            .flatMap(w -> Arrays.stream(epoch.window(w)))
            .sorted()
            .toArray();
    assertThat(used).isEqualTo(IntStream.range(0, 200).toArray());
  }

  private DataPlan plan(DataSpec spec, Path... given) {
    List<Path> paths = given.length == 0 ? List.of(folder) : List.of(given);
    try (SampleFiles samples = SampleFiles.open(paths)) {
      return Planner.plan(samples.files(), spec, BATCH, 42);
    }
  }

  private void write(String name, int rows, String keys) throws IOException {
    Files.writeString(folder.resolve(name), row(keys).repeat(rows));
  }

  private static String row(String keys) {
    return "{\"query\": \"q\", \"pos\": [\"p\"], \"neg\": [\"a\", \"b\", \"c\"]%s}\n"
        .formatted(keys.isEmpty() ? "" : ", " + keys);
  }

  private static DataSpec plain() {
    return DataSpec.PLAIN;
  }

  private static DataSpec sameDataset(int small, int drop) {
    return new DataSpec(
        true, small, drop, 1000, 0, DataSpec.Texts.BARE, false, 1, ByLength.NONE, false);
  }

  private static DataSpec distilling(boolean separate) {
    return new DataSpec(
        separate, 0, 0, 1000, 0, DataSpec.Texts.BARE, true, 1, ByLength.NONE, false);
  }

  private static BatchSpec batch(int pairs) {
    return new BatchSpec(pairs, 0, 8, 8, 4096, 50, 64, 64, 1);
  }
}
