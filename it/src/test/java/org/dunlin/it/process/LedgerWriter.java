package org.dunlin.it.process;

import java.nio.file.Path;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.dunlin.coordinator.ledger.LedgerFile;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.ledger.LedgerRecord.Header;

/**
 * Commits steps to a ledger in the folder that is its argument until one fails, then two more, and
 * prints how many did not and the sentences of those that did.
 */
final class LedgerWriter {
  private static final int STEPS = 100_000;
  private static final long LIMIT_SECONDS = 60;

  private LedgerWriter() {}

  public static void main(String[] arguments) throws Exception {
    Header header = new Header("run", new Term(1), STEPS, 100, 100, "data", "weights");
    try (LedgerFile ledger = LedgerFile.create(Path.of(arguments[0]), header)) {
      long committed = 0;
      while (isCommitted(ledger, committed)) {
        committed++;
      }
      isCommitted(ledger, committed);
      isCommitted(ledger, committed);
      System.out.println(committed);
    }
  }

  private static boolean isCommitted(LedgerFile ledger, long step) throws Exception {
    ledger.intend(step, 0, new Generation(1), new long[] {1, 2, 3});
    try {
      ledger
          .commit(step, new Generation(1), step)
          .toCompletableFuture()
          .get(LIMIT_SECONDS, TimeUnit.SECONDS);
      return true;
    } catch (ExecutionException e) {
      System.out.println(e.getCause().getMessage());
      return false;
    }
  }
}
