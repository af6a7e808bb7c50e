package org.dunlin.coordinator.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.dunlin.coordinator.step.CheckpointPoint;
import org.dunlin.coordinator.step.CutRecord;
import org.dunlin.coordinator.step.EvaluationDue;
import org.dunlin.coordinator.step.EvaluationRecord;
import org.dunlin.coordinator.step.RunRecord;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.run.MicroBatchLimit;
import org.dunlin.protocol.run.Scalars;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RecordFileTest {
  private static final CutRecord A = record(0, 128, 4096);
  private static final CutRecord B = record(0, 64, 2048);
  private static final CutRecord C = record(17, 128, 1024);

  @TempDir private Path run;

  private static CutRecord record(long step, int min, int most) {
    return new CutRecord(step, new MicroBatchLimit(min, most));
  }

  private RecordFile open(long term) {
    return RecordFile.open(run, new Term(term));
  }

  private static void append(RecordFile file, RunRecord record) {
    file.append(record).toCompletableFuture().join();
  }

  private Path file(long term) {
    return run.resolve("records-" + term + ".jsonl");
  }

  @Test
  void shouldGiveBackTheRecordsOfAllTermsInOrder() {
    append(open(1), A);
    RecordFile second = open(2);
    assertThat(second.before()).containsExactly(A);
    append(second, B);
    append(second, C);
    open(3);
    assertThat(open(7).before()).containsExactly(A, B, C);
    assertThat(RecordFile.read(run)).containsExactly(A, B, C);
  }

  @Test
  void shouldGiveBackEvaluationsToTheLastBit() {
    RunRecord due =
        new EvaluationDue(
            new CheckpointPoint(20, new Scalars(19, 65536, 7), -3281829751645644211L, 1));
    RunRecord measured = new EvaluationRecord(20, "set", 0.1 + 0.2);
    RunRecord not = new EvaluationRecord(40, "set", Double.NaN);
    RecordFile file = open(1);
    List.of(due, measured, A, not).forEach(record -> append(file, record));
    RecordFile next = open(2);
    assertThat(next.before()).containsExactly(due, measured, A, not);
    assertThat(next.cutsBefore()).containsExactly(A);
  }

  @Test
  void shouldLeaveNoFileBehindACalmFirstTerm() {
    open(1);
    assertThat(run).isEmptyDirectory();
    assertThat(RecordFile.read(run)).isEmpty();
  }

  @Test
  void shouldNotReadWhatACoordinatorWritesThatLostItsTerm() {
    RecordFile stale = open(1);
    append(stale, A);
    RecordFile living = open(2);
    append(stale, C); // it does not know yet
    append(living, B);
    assertThat(RecordFile.read(run)).containsExactly(A, B);
    assertThat(open(3).before()).containsExactly(A, B);
  }

  @Test
  void shouldNotReadWhatIsWrittenLateWhereNothingWasRecordedBefore() {
    RecordFile stale = open(1);
    open(2);
    append(stale, C);
    assertThat(RecordFile.read(run)).isEmpty();
  }

  @Test
  void shouldRefuseATermThatIsNotTheNewest() {
    append(open(1), A);
    open(3);
    assertThatThrownBy(() -> open(3)).isInstanceOf(Refusal.class).hasMessageContaining("term 3");
    assertThatThrownBy(() -> open(2)).isInstanceOf(Refusal.class).hasMessageContaining("term 3");
    assertThat(file(2)).doesNotExist();
  }

  @Test
  void shouldNotAppendToAFileThatAnotherMadeMeanwhile() {
    RecordFile late = open(1);
    append(open(1), A);
    assertThatThrownBy(() -> append(late, B)).hasRootCauseInstanceOf(java.io.IOException.class);
    assertThat(RecordFile.read(run)).containsExactly(A);
  }

  // A death in the middle of a write, after any of its bytes.
  @Test
  void shouldTolerateALastLineThatIsCutOffAnywhere() throws Exception {
    append(open(1), A);
    append(open(2), B);
    String whole = Files.readString(file(2));
    int second = whole.indexOf('\n') + 1;
    for (int bytes = 0; bytes < whole.length(); bytes++) {
      Files.writeString(file(2), whole.substring(0, bytes));
      assertThat(RecordFile.read(run)).as("after %d bytes", bytes).isEqualTo(List.of(A));
    }
    assertThat(second).isPositive();
    Files.writeString(file(2), whole.substring(0, second + 5));
    assertThat(open(3).before()).containsExactly(A);
    append(open(4), C);
    assertThat(RecordFile.read(run)).containsExactly(A, C);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "rubbish",
        "{}",
        "{\"record\":\"other\",\"from_step\":1,\"min_tokens\":1,\"most_tokens\":1}",
        "{\"record\":\"micro-batch-limit\",\"from_step\":1,\"min_tokens\":0,\"most_tokens\":1}",
        "{\"record\":\"micro-batch-limit\",\"from_step\":1.5,\"min_tokens\":1,\"most_tokens\":1}",
        "{\"record\":\"micro-batch-limit\",\"from_step\":1,\"min_tokens\":1}",
      })
  void shouldNameTheLineThatIsNotOurs(String line) throws Exception {
    append(open(1), A);
    Files.writeString(file(1), line + "\n", StandardOpenOption.APPEND);
    assertThatThrownBy(() -> RecordFile.read(run))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining(file(1) + ", line 3");
  }

  @Test
  void shouldSayWhenAnEarlierTermsFileIsMissing() throws Exception {
    append(open(1), A);
    append(open(2), B);
    Files.delete(file(1));
    assertThatThrownBy(() -> RecordFile.read(run))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("counts 1 records before it, and 0 are there");
  }
}
