package org.dunlin.conf.report;

import java.io.PrintStream;
import java.util.Locale;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressState;
import org.dunlin.coordinator.report.RunEvent;

/** Progress on a terminal: one line that changes, the figures first, a bar where there is room. */
final class ProgressOnTerminal implements Watcher {
  private static final int UPDATE_MS = 200;

  /** A shorter bar says nothing. */
  private static final int SHORTEST_BAR = 8;

  private final PrintStream out;
  private final Pace pace = new Pace();
  private final Faults faults = new Faults();
  private ProgressBar bar;

  ProgressOnTerminal(PrintStream out) {
    this.out = out;
  }

  @Override
  public void accept(RunEvent event) {
    switch (event) {
      case RunEvent.Started started -> bar = open(started.steps());
      case RunEvent.StepCommitted step -> {
        pace.add(step);
        faults.add(step);
        bar.setExtraMessage(
            String.format(
                Locale.ROOT,
                "loss %.3f%s, %s, %s left",
                step.loss(),
                faults.describe(),
                pace.describe(),
                pace.timeOf(bar.getMax() - step.step() - 1)));
        bar.stepTo(step.step() + 1);
      }
      case RunEvent.Saved saved -> {
        closeBar();
        out.printf("saved: %s%n", saved.folder());
      }
      case RunEvent.Finished finished -> closeBar();
      case RunEvent.Failed failed -> closeBar();
      case RunEvent.Missed missed -> out.println(Sentences.of(missed));
      case RunEvent.Noted noted -> out.println(noted.sentence());
      case RunEvent.Checkpointed made -> out.println(Sentences.of(made));
      case RunEvent.Evaluated found -> out.println(Sentences.of(found));
      case RunEvent.Recorded recorded -> out.println(Sentences.of(recorded));
      case RunEvent.Processes processes -> {}
    }
  }

  private ProgressBar open(long steps) {
    return new ProgressBarBuilder()
        .setInitialMax(steps)
        .setUpdateIntervalMillis(UPDATE_MS)
        .setRenderer(ProgressOnTerminal::render)
        .setConsumer(new ConsoleProgressBarConsumer(out))
        .continuousUpdate()
        .build();
  }

  private static String render(ProgressState state, int columns) {
    String text =
        "step %d/%d, %s".formatted(state.getCurrent(), state.getMax(), state.getExtraMessage());
    int room = columns - text.length() - 3;
    if (room < SHORTEST_BAR) {
      return text.substring(0, Math.min(text.length(), Math.max(columns, 0)));
    }
    int done = (int) (room * state.getNormalizedProgress());
    return text + " |" + "#".repeat(done) + " ".repeat(room - done) + "|";
  }

  private void closeBar() {
    if (bar != null) {
      bar.close();
      bar = null;
    }
  }

  @Override
  public void close() {
    closeBar();
  }
}
