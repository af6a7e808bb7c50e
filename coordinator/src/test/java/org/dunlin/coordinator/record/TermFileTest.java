package org.dunlin.coordinator.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TermFileTest {
  @TempDir private Path run;

  /** Holds a term until it is killed; prints it. */
  static final class Holder {
    private Holder() {}

    public static void main(String[] arguments) throws IOException {
      try (TermFile.Held held = TermFile.take(Path.of(arguments[0]))) {
        System.out.println(held.term());
        System.out.flush();
        System.in.read(); // for ever: its parent says nothing
      }
    }
  }

  /** Takes terms one after the other until it is killed; prints each. */
  static final class Taker {
    private Taker() {}

    public static void main(String[] arguments) {
      while (true) {
        try (TermFile.Held held = TermFile.take(Path.of(arguments[0]))) {
          System.out.println(held.term());
          System.out.flush();
        }
      }
    }
  }

  private Process start(Class<?> main) throws IOException {
    return new ProcessBuilder(
            System.getProperty("java.home") + File.separator + "bin" + File.separator + "java",
            "-XX:TieredStopAtLevel=1",
            "-Xmx64m",
            "-cp",
            System.getProperty("java.class.path"),
            main.getName(),
            run.toString())
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start();
  }

  // Not by the process itself, which would close the stream of what it printed.
  private static void kill(Process process) throws InterruptedException {
    process.toHandle().destroyForcibly();
    assertThat(process.waitFor(2, TimeUnit.MINUTES)).isTrue();
  }

  @Test
  void shouldGiveAHigherTermEachTime() {
    for (long expected = 1; expected <= 100; expected++) {
      try (TermFile.Held held = TermFile.take(run)) {
        assertThat(held.term()).isEqualTo(new Term(expected));
        // Durable before it is used: the file already says so.
        assertThat(run.resolve(TermFile.NAME)).hasContent(expected + "\n");
      }
    }
    assertThat(run.resolve(TermFile.NEXT)).doesNotExist();
  }

  @Test
  void shouldRefuseASecondHolderInThisProcessAndKeepTheFirst() throws Exception {
    try (TermFile.Held held = TermFile.take(run)) {
      assertThatThrownBy(() -> TermFile.take(run))
          .isInstanceOf(Refusal.class)
          .hasMessageContaining(run.toString())
          .hasMessageContaining("process " + ProcessHandle.current().pid());
      assertThatThrownBy(() -> TermFile.requireFree(run)).isInstanceOf(Refusal.class);
      assertThat(held.term()).isEqualTo(new Term(1));

      // Another process must still find it held: asking twice must not have given it back.
      Process other = start(Holder.class);
      assertThat(other.waitFor(2, TimeUnit.MINUTES)).isTrue();
      assertThat(other.exitValue()).isNotZero();
    }
    assertThat(run.resolve(TermFile.NAME)).hasContent("1\n");
    TermFile.requireFree(run);
  }

  @Test
  void shouldNameTheProcessThatHoldsItAndFollowItWhenItIsKilled() throws Exception {
    Process holder = start(Holder.class);
    try (BufferedReader lines = holder.inputReader()) {
      assertThat(lines.readLine()).isEqualTo("1");
      assertThatThrownBy(() -> TermFile.take(run))
          .isInstanceOf(Refusal.class)
          .hasMessageContaining(run.toString())
          .hasMessageContaining("process " + holder.pid());
      assertThatThrownBy(() -> TermFile.requireFree(run)).isInstanceOf(Refusal.class);
      CompletableFuture<TermFile.Held> next =
          CompletableFuture.supplyAsync(() -> TermFile.await(run));

      kill(holder);

      try (TermFile.Held held = next.get(2, TimeUnit.MINUTES)) {
        assertThat(held.term()).isEqualTo(new Term(2));
      }
    } finally {
      kill(holder);
    }
  }

  // Killed at whatever it just did: every term it told of must stay used.
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5, 8, 13, 21, 34})
  void shouldNeverGiveATermTwiceWhereverItsTakerIsKilled(int after) throws Exception {
    Process taker = start(Taker.class);
    long told = 0;
    try (BufferedReader lines = taker.inputReader()) {
      while (told < after) {
        told = Long.parseLong(lines.readLine());
      }
      kill(taker);
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        told = Long.parseLong(line);
      }
    } finally {
      kill(taker);
    }
    try (TermFile.Held held = TermFile.take(run)) {
      assertThat(held.term().number()).isGreaterThan(told);
    }
  }

  // What lies there after a death between the write and the rename, whole or in part.
  @ParameterizedTest
  @ValueSource(strings = {"", "8", "8\n", "rubbish"})
  void shouldNotMindANumberThatWasNotYetRenamed(String next) throws Exception {
    Files.writeString(run.resolve(TermFile.NAME), "7\n");
    Files.writeString(run.resolve(TermFile.NEXT), next);
    try (TermFile.Held held = TermFile.take(run)) {
      assertThat(held.term()).isEqualTo(new Term(8));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "7", "0\n", "-1\n", "07\n", "7\n8\n", "1e3\n", "9999999999999999999\n"})
  void shouldRefuseACounterThatIsTornOrRubbish(String content) throws Exception {
    Files.writeString(run.resolve(TermFile.NAME), content);
    assertThatThrownBy(() -> TermFile.take(run))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining(run.resolve(TermFile.NAME).toString())
        .hasMessageContaining("expected: a whole number from 1");
    assertThat(run.resolve(TermFile.NAME)).hasContent(content);
    Files.writeString(run.resolve(TermFile.NAME), "3\n");
    try (TermFile.Held held = TermFile.take(run)) { // the refusal gave the lock back
      assertThat(held.term()).isEqualTo(new Term(4));
    }
  }
}
