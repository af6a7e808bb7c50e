package org.dunlin.conf.log;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.util.LogbackMDCAdapter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** All lines reach the file, few the terminal, and stack traces only the file. */
class LogsTest {
  // Kept until the process ends: the log stays open there.
  @TempDir(cleanup = CleanupMode.NEVER)
  static Path folder;

  private final PrintStream terminal = System.err;
  private final ByteArrayOutputStream shown = new ByteArrayOutputStream();

  @BeforeEach
  void watchTheTerminal() {
    System.setErr(new PrintStream(shown, true, UTF_8));
  }

  @AfterEach
  void giveTheTerminalBack() {
    System.setErr(terminal);
  }

  @Test
  void shouldFirstWriteToTheFileWhatCameBeforeIt() throws IOException {
    LoggerContext context = new LoggerContext();
    context.setMDCAdapter(new LogbackMDCAdapter());
    RunLog log = new RunLog();
    log.setContext(context);
    log.start();
    context.getLogger("root").addAppender(log);
    Path file = folder.resolve("remembered.log");
    context.getLogger("org.dunlin.early").info("first of {}", "all");
    assertThat(log.file()).isEmpty();

    log.open(file);
    context.getLogger("org.dunlin.late").info("second");

    assertThat(log.file()).contains(file);
    assertThat(Files.readAllLines(file))
        .satisfiesExactly(
            line -> assertThat(line).matches("\\d{4}-.* INFO .*org.dunlin.early: first of all"),
            line -> assertThat(line).matches("\\d{4}-.* INFO .*org.dunlin.late: second"));
  }

  @Test
  void shouldShowWarningsAsOneLineAndKeepTheTraceInTheFile() throws IOException {
    Path file = folder.resolve("warnings.log");
    Logs.toFile(file);

    LoggerFactory.getLogger("org.dunlin.x").info("calm");
    LoggerFactory.getLogger("org.dunlin.x").warn("two\n  lines", new IOException("deep"));
    LoggerFactory.getLogger("org.apache.pekko.x").warn("a node is unreachable");
    LoggerFactory.getLogger("org.apache.pekko.x").error("an actor failed");
    LoggerFactory.getLogger("org.dunlin.x").atError().addMarker(Logs.FILE_ONLY).log("told before");

    assertThat(shown.toString(UTF_8).lines())
        .containsExactly("warning: two lines", "error: an actor failed");
    assertThat(Files.readString(file))
        .contains("calm", "java.io.IOException: deep", "\tat ", "unreachable", "told before");
  }

  @Test
  void shouldRefuseAFileThatCannotBeWrittenAndKeepTheOld() throws IOException {
    Path old = folder.resolve("old.log");
    Logs.toFile(old);
    Path impossible = Files.writeString(folder.resolve("a-file"), "").resolve("dunlin.log");

    assertThatThrownBy(() -> Logs.toFile(impossible))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith(impossible + ": ");
    LoggerFactory.getLogger("org.dunlin.x").info("still here");

    assertThat(Files.readString(old)).contains("still here");
  }
}
