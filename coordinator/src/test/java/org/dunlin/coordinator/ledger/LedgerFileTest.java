package org.dunlin.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.ledger.LedgerRecord.Header;
import org.junit.jupiter.api.Test;

/** What was written is read; what was cut off ends it; what was changed is named. */
class LedgerFileTest {
  private static final int ROWS = 1000;
  private static final long LIMIT_SECONDS = 60;

  private static Path parent;

  @BeforeContainer
  @org.junit.jupiter.api.BeforeAll
  static void makeFolder() throws IOException {
    parent = Files.createTempDirectory("ledger");
  }

  @AfterContainer
  @org.junit.jupiter.api.AfterAll
  static void removeFolder() throws IOException {
    try (Stream<Path> all = Files.walk(parent)) {
      for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    }
  }

  @Property(tries = 50)
  void keepsEveryCommittedStepOverAllTerms(
      @ForAll long seed, @ForAll @IntRange(min = 1, max = 4) int terms) throws Exception {
    Random random = new Random(seed);
    Path folder = Files.createTempDirectory(parent, "kept");
    List<CommittedStep> written = new ArrayList<>();
    for (int term = 1; term <= terms; term++) {
      try (LedgerFile file = LedgerFile.create(folder, header(term))) {
        if (!written.isEmpty() && random.nextBoolean()) {
          write(file, written.get(written.size() - 1)); // as a successor does that did not know
        }
        for (int more = random.nextInt(4); more > 0; more--) {
          CommittedStep step = step(written.size(), term, random);
          file.intend(step.step(), 0, new Generation(0), new long[] {3}); // nobody got that far
          write(file, step);
          written.add(step);
        }
        file.intend(written.size(), 0, new Generation(9), new long[] {1, 2});
      }
    }
    assertThat(read(folder)).usingRecursiveComparison().isEqualTo(written);
  }

  @Test
  void shouldKeepAllThatWasWholeWhereverTheFileEnds() throws Exception {
    Path folder = Files.createTempDirectory(parent, "cut");
    List<Long> ends = new ArrayList<>(); // after each commit
    List<CommittedStep> written = new ArrayList<>();
    Path path = folder.resolve("ledger-000001.bin");
    try (LedgerFile file = LedgerFile.create(folder, header(1))) {
      for (int number = 0; number < 4; number++) {
        CommittedStep step = step(number, 1, new Random(number));
        write(file, step);
        ends.add(Files.size(path));
        written.add(step);
      }
    }
    byte[] whole = Files.readAllBytes(path);
    for (int bytes = 0; bytes <= whole.length; bytes++) {
      int end = bytes;
      int survive = (int) ends.stream().filter(at -> at <= end).count();
      for (byte[] form : List.of(Arrays.copyOf(whole, end), zerosAfter(whole, end, ends))) {
        Files.write(path, form);
        assertThat(read(folder))
            .as(end + " bytes of " + whole.length)
            .usingRecursiveComparison()
            .isEqualTo(written.subList(0, survive));
      }
    }
  }

  // A machine that lost power may leave zeros in place of what it had not written yet.
  private static byte[] zerosAfter(byte[] whole, int end, List<Long> ends) {
    byte[] cut = Arrays.copyOf(whole, end);
    return ends.contains((long) end) ? Arrays.copyOf(cut, end + 5000) : cut;
  }

  @Test
  void shouldNameEveryFlippedBit() throws Exception {
    Path folder = Files.createTempDirectory(parent, "flipped");
    Path path = folder.resolve("ledger-000001.bin");
    try (LedgerFile file = LedgerFile.create(folder, header(1))) {
      for (int number = 0; number < 3; number++) {
        write(file, step(number, 1, new Random(number)));
      }
    }
    byte[] whole = Files.readAllBytes(path);
    for (int bit = 0; bit < 8 * whole.length; bit++) {
      byte[] flipped = whole.clone();
      flipped[bit / 8] ^= (byte) (1 << bit % 8);
      Files.write(path, flipped);
      assertThatThrownBy(() -> read(folder))
          .as("bit " + bit)
          .isInstanceOf(Refusal.class)
          .hasMessageStartingWith(path + ": byte ")
          .hasMessageMatching(".* has the checksum [0-9a-f]{8} \\(expected: [0-9a-f]{8}\\);.*");
    }
  }

  @Property(tries = 30)
  void namesARecordThatWasTakenOut(@ForAll @IntRange(max = 5) int record) throws Exception {
    Path folder = Files.createTempDirectory(parent, "taken");
    Path path = folder.resolve("ledger-000001.bin");
    try (LedgerFile file = LedgerFile.create(folder, header(1))) {
      for (int number = 0; number < 4; number++) {
        write(file, step(number, 1, new Random(number)));
      }
    }
    byte[] whole = Files.readAllBytes(path);
    List<Integer> starts = new ArrayList<>();
    for (int at = 0; at < whole.length; at += 12 + (whole[at] & 0xff) + 256 * whole[at + 1]) {
      starts.add(at);
    }
    assertThat(starts).hasSize(9);
    byte[] fewer = Arrays.copyOf(whole, starts.get(record));
    int length = whole.length - starts.get(record + 1);
    fewer = Arrays.copyOf(fewer, fewer.length + length);
    System.arraycopy(whole, starts.get(record + 1), fewer, starts.get(record), length);
    Files.write(path, fewer);
    assertThatThrownBy(() -> read(folder))
        .hasMessageStartingWith(path + ": byte " + starts.get(record) + ": ");
  }

  @Test
  void shouldNameAContradictionOfTwoTerms() throws Exception {
    CommittedStep step = new CommittedStep(0, 0, new Term(1), new Generation(1), 5, ids(1, 2));
    for (CommittedStep other :
        List.of(
            new CommittedStep(0, 0, new Term(2), new Generation(1), 6, ids(1, 2)),
            new CommittedStep(0, 0, new Term(2), new Generation(1), 5, ids(2, 1)),
            new CommittedStep(0, 1, new Term(2), new Generation(1), 5, ids(1, 2)))) {
      Path folder = Files.createTempDirectory(parent, "contradiction");
      write(folder, header(1), step);
      write(folder, header(2), other);
      assertThatThrownBy(() -> read(folder))
          .isInstanceOf(Refusal.class)
          .hasMessageStartingWith(folder.resolve("ledger-000002.bin") + ": byte ")
          .hasMessageEndingWith(
              "step 0 is committed with other samples or another gradient than in term 1, generation 1 (expected: the same)");
    }
  }

  @Test
  void shouldRefuseWhatNoCoordinatorWrites() throws Exception {
    CommittedStep step = new CommittedStep(0, 0, new Term(1), new Generation(1), 5, ids(1, 2));
    Path twice = Files.createTempDirectory(parent, "twice");
    write(twice, header(1), step, step);
    assertThatThrownBy(() -> read(twice)).hasMessageEndingWith(": step 0 is committed twice");

    Path bare = Files.createTempDirectory(parent, "bare");
    try (LedgerFile file = LedgerFile.create(bare, header(1))) {
      file.commit(0, new Generation(1), 5);
    }
    assertThatThrownBy(() -> read(bare))
        .hasMessageEndingWith(": step 0 is committed (expected: its samples before that)");

    Path mixed = Files.createTempDirectory(parent, "mixed");
    write(mixed, header(1), step);
    Header other = new Header("run", new Term(2), 9, ROWS, ROWS, "other data", "weights");
    write(mixed, other);
    assertThatThrownBy(() -> read(mixed)).hasMessageContaining("ledger-000002.bin: byte 0: ");

    Path renamed = Files.createTempDirectory(parent, "renamed");
    write(renamed, header(1), step);
    Files.move(renamed.resolve("ledger-000001.bin"), renamed.resolve("ledger-000003.bin"));
    assertThatThrownBy(() -> read(renamed)).hasMessageContaining("term 1 (expected: 3");
  }

  @Test
  void shouldCountAStepOnceThatALaterGenerationCommitsAnew() throws Exception {
    Path folder = Files.createTempDirectory(parent, "again");
    CommittedStep first = new CommittedStep(0, 0, new Term(1), new Generation(1), 5, ids(1, 2));
    CommittedStep again = new CommittedStep(0, 0, new Term(1), new Generation(2), 5, ids(1, 2));
    write(folder, header(1), first, again);
    assertThat(read(folder)).usingRecursiveComparison().isEqualTo(List.of(first));
  }

  @Test
  void shouldBelongToOneCoordinatorOfATerm() throws Exception {
    Path folder = Files.createTempDirectory(parent, "one");
    LedgerFile.create(folder, header(1)).close();
    assertThatThrownBy(() -> LedgerFile.create(folder, header(1)))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith(folder.resolve("ledger-000001.bin") + ": is there already");
    LedgerFile.create(folder, header(2)).close();
  }

  @Test
  void shouldFailACommitThatIsNotOnDisk() throws Exception {
    Path folder = Files.createTempDirectory(parent, "closed");
    LedgerFile file = LedgerFile.create(folder, header(1));
    file.close();
    assertThatThrownBy(
            () ->
                file.commit(0, new Generation(1), 5)
                    .toCompletableFuture()
                    .get(LIMIT_SECONDS, TimeUnit.SECONDS))
        .cause()
        .isInstanceOf(Refusal.class)
        .hasMessage(folder.resolve("ledger-000001.bin") + ": is closed");
  }

  private static Header header(long term) {
    return new Header("run", new Term(term), 100, ROWS, ROWS, "data", "weights");
  }

  private static CommittedStep step(long number, long term, Random random) {
    long[] ids =
        LongStream.generate(() -> random.nextInt(ROWS)).limit(random.nextInt(20)).toArray();
    return new CommittedStep(
        number,
        (int) number / 3,
        new Term(term),
        new Generation(random.nextInt(1000)),
        random.nextLong(),
        ids);
  }

  private static long[] ids(long... ids) {
    return ids;
  }

  private static void write(Path folder, Header header, CommittedStep... steps) throws Exception {
    try (LedgerFile file = LedgerFile.create(folder, header)) {
      for (CommittedStep step : steps) {
        write(file, step);
      }
    }
  }

  private static void write(LedgerFile file, CommittedStep step) throws Exception {
    file.intend(step.step(), step.epoch(), step.generation(), step.sampleIds());
    file.commit(step.step(), step.generation(), step.checksum())
        .toCompletableFuture()
        .get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  private static List<CommittedStep> read(Path folder) {
    List<CommittedStep> steps = new ArrayList<>();
    LedgerReader.open(folder).read(steps::add);
    return steps;
  }
}
