package org.dunlin.conf.command;

import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import org.dunlin.conf.settings.Settings;

/** What the commands do. Each returns the exit code; a Refusal is told to the person. */
public record Actions(Train train, Quickstart quickstart, Embed embed) {

  /** Trains; model and data are given. */
  @FunctionalInterface
  public interface Train {
    int run(Settings settings);
  }

  /** Trains a small model on a task that comes along; model and data are not given yet. */
  @FunctionalInterface
  public interface Quickstart {
    int run(Task task, Settings settings);
  }

  /** Turns lines of text into JSON arrays, one a line. */
  @FunctionalInterface
  public interface Embed {
    int run(Path model, InputStream texts, PrintStream vectors);
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
