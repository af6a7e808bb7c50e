package org.dunlin.conf.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;
import org.dunlin.data.checkpoint.Checkpoint;
import org.dunlin.data.checkpoint.CheckpointStore;
import org.dunlin.data.checkpoint.FolderName;
import org.dunlin.data.checkpoint.Manifest;
import org.dunlin.protocol.Refusal;

/** What a person may mean with a folder: a checkpoint, some of them, or a run with some. */
final class Places {
  private Places() {}

  /** The checkpoints in a folder; empty where it is itself one, or should have become one. */
  static Optional<CheckpointStore> store(Path folder) {
    if (!CheckpointStore.in(folder).isThere()) {
      throw Refusal.usage(
          FolderName.of(folder)
              + ": no such folder (expected: a checkpoint, a folder of them, or a run)");
    }
    if (Files.exists(folder.resolve(Manifest.NAME))
        || String.valueOf(folder.toAbsolutePath().normalize().getFileName()).startsWith("step-")) {
      return Optional.empty();
    }
    CheckpointStore inRun = CheckpointStore.in(folder.resolve(CheckpointStore.FOLDER));
    CheckpointStore store = inRun.isThere() ? inRun : CheckpointStore.in(folder);
    if (store.complete().isEmpty()) {
      throw Refusal.run(
          FolderName.of(folder)
              + ": holds no complete checkpoint (expected: at least one); nothing to be done");
    }
    return Optional.of(store);
  }

  /**
   * The checkpoint that is meant. Close it.
   *
   * @param skipped told of newer ones in a run that are not whole
   */
  static Checkpoint open(Path folder, Consumer<String> skipped) {
    return store(folder)
        .map(
            store ->
                store
                    .newest(skipped)
                    .orElseThrow(
                        () ->
                            Refusal.run(
                                FolderName.of(folder) + ": none of its checkpoints is whole")))
        .orElseGet(() -> Checkpoint.open(folder));
  }
}
