package org.dunlin.conf.command;

import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import org.dunlin.conf.checkpoint.ExportRequest;
import org.dunlin.conf.embed.EmbedRequest;
import org.dunlin.conf.embed.ScoreRequest;
import org.dunlin.conf.evaluate.EvaluateRequest;
import org.dunlin.conf.launch.JoinRequest;
import org.dunlin.conf.launch.LedgerRequest;
import org.dunlin.conf.settings.Settings;

/** What the commands do. Each returns the exit code; a Refusal is told to the person. */
public record Actions(
    Train train,
    Train coordinate,
    Train standBy,
    Work work,
    Quickstart quickstart,
    Embed embed,
    Score score,
    Ledger ledger,
    Verify verify,
    Export export,
    Evaluate evaluate) {

  /** Trains; model and data are given. */
  @FunctionalInterface
  public interface Train {
    int run(Settings settings);
  }

  /** Takes part in a run. */
  @FunctionalInterface
  public interface Work {
    int run(JoinRequest request);
  }

  /** Trains a small model on a task that comes along; model and data are not given yet. */
  @FunctionalInterface
  public interface Quickstart {
    int run(Task task, Settings settings);
  }

  /** Turns lines of text into lines of JSON. */
  @FunctionalInterface
  public interface Embed {
    int run(EmbedRequest request, InputStream texts, PrintStream vectors);
  }

  /** Turns pairs of texts into numbers, one a line. */
  @FunctionalInterface
  public interface Score {
    int run(ScoreRequest request, InputStream standardInput, PrintStream scores);
  }

  /** Proves what a run's steps used. */
  @FunctionalInterface
  public interface Ledger {
    int run(LedgerRequest request, PrintStream out);
  }

  /** Reads checkpoints whole. */
  @FunctionalInterface
  public interface Verify {
    int run(Path folder, PrintStream out);
  }

  /** Makes a model of checkpoints. */
  @FunctionalInterface
  public interface Export {
    int run(ExportRequest request, PrintStream out);
  }

  /** Measures a model. */
  @FunctionalInterface
  public interface Evaluate {
    int run(EvaluateRequest request, PrintStream out);
  }

  /** What the quickstart can learn. */
  public enum Task {
    CATEGORY("category", 100),
    REVERSE_DICTIONARY("reverse-dictionary", 200);

    private final String word;
    private final int steps;

    Task(String word, int steps) {
      this.word = word;
      this.steps = steps;
    }

    /** Enough steps for the gain that was measured. */
    int steps() {
      return steps;
    }

    /** As it is typed. */
    @Override
    public String toString() {
      return word;
    }
  }
}
