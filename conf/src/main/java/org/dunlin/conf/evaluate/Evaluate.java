package org.dunlin.conf.evaluate;

import java.io.PrintStream;
import java.util.Map;
import org.dunlin.data.retrieval.RetrievalSet;

/** {@code dunlin evaluate}: a model's figures, a line each. */
public final class Evaluate {
  private Evaluate() {}

  /** Gives the exit code. */
  public static int run(EvaluateRequest request, PrintStream out) {
    RetrievalSet set = request.files().read();
    Map<String, Double> figures =
        Metric.figures(
            new RetrievalTest(set, request.form())
                .measure(request.model(), Runtime.getRuntime().availableProcessors(), done -> {}));
    out.printf("%d queries, %d documents%n", set.queries().size(), set.documents().size());
    figures.forEach((name, figure) -> out.println(name + " " + figure));
    return 0;
  }
}
