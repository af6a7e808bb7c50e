package org.dunlin.conf.report;

import java.io.PrintStream;
import java.util.Locale;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.dunlin.coordinator.report.RunEvent;

/** Progress on a terminal: one line that changes. */
final class ProgressOnTerminal implements Watcher {
  private static final int UPDATE_MS = 200;

  private final PrintStream out;
  private final Pace pace = new Pace();
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
        bar.setExtraMessage(
            String.format(Locale.ROOT, " loss %.4f, %s", step.loss(), pace.describe()));
        bar.stepTo(step.step() + 1);
      }
      case RunEvent.Saved saved -> {
        closeBar();
        out.printf("saved: %s%n", saved.folder());
      }
      case RunEvent.Finished finished -> closeBar();
      case RunEvent.Failed failed -> closeBar();
      case RunEvent.Processes processes -> {}
    }
  }

  private ProgressBar open(long steps) {
    return new ProgressBarBuilder()
        .setTaskName("training")
        .setInitialMax(steps)
        .setUpdateIntervalMillis(UPDATE_MS)
        .setStyle(ProgressBarStyle.COLORFUL_UNICODE_BLOCK)
        .setConsumer(new ConsoleProgressBarConsumer(out))
        .continuousUpdate()
        .build();
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
