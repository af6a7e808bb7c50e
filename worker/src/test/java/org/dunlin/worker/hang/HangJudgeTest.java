package org.dunlin.worker.hang;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.lifecycle.BeforeTry;
import org.junit.jupiter.api.Test;

/** Whoever waits long enough sees a piece that hangs; nobody else is accused. */
class HangJudgeTest {
  private static final long SECOND = 1_000_000_000;
  private static final HangLimits LIMITS = HangLimits.USUAL;
  private static final long LEAST = LIMITS.least().toSeconds();
  private static final long FIRST = LIMITS.first().toSeconds();
  private static final String WORDS = "backward of a micro-batch of 8192 tokens";

  private HangJudge judge = new HangJudge(LIMITS);

  @BeforeTry
  void begin() {
    judge = new HangJudge(LIMITS);
  }

  @Test
  void saysWhatHangsForHowLongAndWhatWasExpected() {
    take("backward", 1, 11);
    begin("backward", 1);
    assertThat(secondsUntilSaid(10_000)).isEqualTo(20 * 12 + 1);
    assertThat(judge.passed(0))
        .hasValue(WORDS + " hangs: it has taken 241 s (expected: at most 12 s, by those before)");
  }

  @Test
  void givesTheFirstOfAKindLonger() {
    take("encode", 1, 1);
    begin("backward", 1);
    assertThat(secondsUntilSaid(10_000)).isEqualTo(FIRST + 1);
    assertThat(judge.passed(0))
        .hasValue(
            WORDS
                + " hangs: it has taken 601 s (expected: at most 600 s, as the first of its kind)");
  }

  @Test
  void namesOfSeveralTheOneBegunFirst() {
    take("encode", 1, 0);
    take("loss", 1, 0);
    judge.begin("loss", 1, () -> "the cause");
    look();
    judge.begin("encode", 1, () -> "who waits for it");
    pass(FIRST);
    assertThat(judge.passed(0))
        .hasValueSatisfying(said -> assertThat(said).startsWith("the cause "));
  }

  /** A process that was stopped or a machine that slept, as often as it likes. */
  @Property(tries = 300)
  void pausesOfTheProcessAreNoHang(
      @ForAll @LongRange(min = 2, max = 1_000_000) long pauseSeconds,
      @ForAll @IntRange(min = 1, max = 10) int pauses) {
    take("backward", 1, 0);
    HangJudge.Piece piece = begin("backward", 1);
    for (int p = 0; p < pauses; p++) {
      assertThat(judge.passed(pauseSeconds * SECOND)).isEmpty();
      assertThat(look()).isEmpty();
    }
    judge.done(piece);
    // Nor is the next one then given longer than the pauses may have taken by the looks.
    begin("backward", 1);
    assertThat(secondsUntilSaid(100_000))
        .isBetween(LEAST + 1, Math.max(LEAST, 20L * (3 * pauses + 1)) + 1);
  }

  /** Whatever the order, sizes and number of threads: a machine may become 19 times as slow. */
  @Property(tries = 300)
  void nobodyIsAccusedWhoIsSlowWithinTheFactor(
      @ForAll long seed,
      @ForAll @IntRange(min = 1, max = 8) int threads,
      @ForAll @IntRange(min = 1, max = 29) int secondsOfTheLargest,
      @ForAll @IntRange(min = 1, max = 19) int slower) {
    SplittableRandom random = new SplittableRandom(seed);
    int largest = 1000;
    take("encode", largest, secondsOfTheLargest); // the pace is known
    List<HangJudge.Piece> underWay = new ArrayList<>();
    List<Long> endings = new ArrayList<>();
    for (long second = 0; second < 3000; second++) {
      for (int t = underWay.size() - 1; t >= 0; t--) {
        if (endings.get(t) <= second) {
          judge.done(underWay.remove(t));
          endings.remove(t);
        }
      }
      while (underWay.size() < threads) {
        int size = random.nextInt(1, largest + 1);
        underWay.add(begin("encode", size));
        endings.add(second + (long) size * secondsOfTheLargest * slower / largest);
      }
      assertThat(look()).isEmpty();
    }
  }

  /** One thread hangs while others go on. */
  @Property(tries = 300)
  void aHangIsSeenWhateverTheOthersDo(
      @ForAll long seed,
      @ForAll @IntRange(min = 0, max = 100) int longestSeconds,
      @ForAll @IntRange(min = 1, max = 1_000_000) int size) {
    SplittableRandom random = new SplittableRandom(seed);
    take("encode", 1 + random.nextInt(1000), longestSeconds);
    HangJudge.Piece hung = begin("encode", size);
    long seconds = 0;
    while (look().isEmpty()) {
      seconds++;
      take("encode", 1 + random.nextInt(1000), 0);
    }
    long most = Math.max(FIRST, 20L * (longestSeconds + 1));
    assertThat(seconds).isBetween(LEAST, most);
    judge.failed(hung);
    assertThat(look()).isEmpty();
  }

  /** Ten times as large may take ten times as long, but not longer than a first one might. */
  @Property(tries = 300)
  void aLargerPieceIsGivenLongerInProportion(
      @ForAll @IntRange(min = 1, max = 1000) int before,
      @ForAll @IntRange(min = 1, max = 100_000) int size,
      @ForAll @IntRange(min = 0, max = 20) int tookSeconds) {
    take("encode", before, tookSeconds);
    begin("encode", size);
    double expected = (tookSeconds + 1) * Math.max(1, (double) size / before);
    double most = Math.max(600.0, 20.0 * (tookSeconds + 1));
    double limit = Math.max(30.0, Math.min(most, 20 * expected));
    assertThat(secondsUntilSaid(1_000_000)).isEqualTo((long) Math.floor(limit) + 1);
  }

  /** One that memory was too short for ends soon, whatever its size. */
  @Test
  void learnsNothingFromAFailure() {
    take("encode", 1, 5);
    judge.failed(begin("encode", 1000));
    begin("encode", 1000);
    assertThat(secondsUntilSaid(10_000)).isEqualTo(FIRST + 1);
  }

  private HangJudge.Piece begin(String kind, long size) {
    return judge.begin(kind, size, () -> WORDS);
  }

  private void take(String kind, long size, long seconds) {
    HangJudge.Piece piece = begin(kind, size);
    pass(seconds);
    judge.done(piece);
  }

  private Optional<String> look() {
    return judge.passed(SECOND);
  }

  private void pass(long seconds) {
    for (long s = 0; s < seconds; s++) {
      judge.passed(Duration.ofSeconds(1).toNanos());
    }
  }

  private long secondsUntilSaid(long most) {
    long seconds = 1;
    while (look().isEmpty()) {
      assertThat(++seconds).isLessThanOrEqualTo(most);
    }
    return seconds;
  }
}
