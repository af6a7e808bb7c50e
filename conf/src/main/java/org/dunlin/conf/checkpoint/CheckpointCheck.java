package org.dunlin.conf.checkpoint;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.dunlin.data.checkpoint.Checkpoint;
import org.dunlin.data.checkpoint.CheckpointStore;
import org.dunlin.data.checkpoint.FolderName;
import org.dunlin.protocol.Refusal;

/**
 * {@code dunlin verify}: reads checkpoints whole and compares every checksum. It only reads, and
 * may do so while the run goes on.
 */
public final class CheckpointCheck {
  private CheckpointCheck() {}

  /**
   * Gives the exit code; what is not as it was written is a Refusal, after a line for each
   * checkpoint.
   *
   * @param folder a checkpoint, a folder of them, or a run
   */
  public static int run(Path folder, PrintStream out) {
    Optional<CheckpointStore> store = Places.store(folder);
    if (store.isEmpty()) {
      try (Checkpoint checkpoint = Checkpoint.open(folder)) {
        checkpoint.verify(file -> out.println("  " + file));
        out.println(sound(checkpoint));
      }
      return 0;
    }
    all(store.get(), out);
    return 0;
  }

  private static void all(CheckpointStore store, PrintStream out) {
    List<String> broken = new ArrayList<>();
    List<Long> oldestFirst = new ArrayList<>(store.complete());
    Collections.reverse(oldestFirst);
    for (long steps : oldestFirst) {
      try (Checkpoint checkpoint = store.at(steps)) {
        checkpoint.verify(file -> {});
        out.println(sound(checkpoint));
      } catch (Refusal e) {
        if (!store.complete().contains(steps)) {
          out.println(
              FolderName.of(store.folder(steps)) + ": removed meanwhile, as no longer to be kept");
          continue;
        }
        broken.add(e.getMessage());
        out.println(FolderName.of(store.folder(steps)) + ": BROKEN");
      }
    }
    for (long steps : store.incomplete()) {
      out.println(
          FolderName.of(store.folder(steps))
              + ": not complete: being written, or left by a death; not checked");
    }
    if (!broken.isEmpty()) {
      throw Refusal.run(
          broken.size() == 1
              ? broken.get(0)
              : "%d of %d checkpoints are broken, the first: %s"
                  .formatted(broken.size(), oldestFirst.size(), broken.get(0)));
    }
  }

  private static String sound(Checkpoint checkpoint) {
    return "%s: after %d of %d steps, %,d bytes of tensors, all as they were written"
        .formatted(
            FolderName.of(checkpoint.folder()),
            checkpoint.manifest().place().steps(),
            checkpoint.manifest().spec().steps(),
            checkpoint.bytes());
  }
}
