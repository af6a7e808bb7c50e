package org.dunlin.data.checkpoint;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.protocol.checkpoint.CheckpointPart;
import org.dunlin.protocol.run.RunSpec;

/**
 * A run's checkpoints, each in a folder {@code step-000020} after so many committed steps. What
 * fails is a {@link org.dunlin.protocol.Refusal}, and leaves every complete checkpoint as it is.
 * All calls block on the disk; one at a time.
 */
public final class CheckpointStore {
  private CheckpointStore() {}

  /** The checkpoints in a folder, which {@link #begin} makes where there is none. */
  public static CheckpointStore in(Path folder) {
    throw new UnsupportedOperationException();
  }

  /**
   * Makes the folder that parts are written into; what a death left of the same step is removed.
   *
   * @param steps committed
   * @param bytes that will be written, see {@link StateShares#bytes}; a disk that has less is a
   *     Refusal
   * @return the folder; empty where there is a complete, sound checkpoint of these steps already
   */
  public Optional<Path> begin(long steps, long bytes) {
    throw new UnsupportedOperationException();
  }

  /**
   * Puts the tensors that a run does not train into a begun checkpoint: linked from an earlier one
   * where there is one, copied where links are refused, else written.
   *
   * @param model whose weights the run started from
   * @return for the manifest; empty where the run trains all
   */
  public Optional<CheckpointPart> frozen(long steps, ModelFolder model, RunSpec spec) {
    throw new UnsupportedOperationException();
  }

  /**
   * Makes a checkpoint of what was written: settings and a description beside it, the manifest
   * last.
   *
   * @param manifest with all parts that members have reported, and what {@link #frozen} gave
   * @param runConf the run's settings, HOCON
   */
  public void complete(Manifest manifest, String runConf) {
    throw new UnsupportedOperationException();
  }

  /** Removes what was begun and not completed; a complete checkpoint stays. */
  public void abandon(long steps) {
    throw new UnsupportedOperationException();
  }

  /** The steps of those that have a manifest, newest first. */
  public List<Long> complete() {
    throw new UnsupportedOperationException();
  }

  /**
   * The newest that is whole.
   *
   * @param skipped told, in a sentence each, why newer ones are not
   */
  public Optional<Checkpoint> newest(Consumer<String> skipped) {
    throw new UnsupportedOperationException();
  }

  /** The same among those of fewer steps: when the values of one turned out not to be sound. */
  public Optional<Checkpoint> newestBefore(long steps, Consumer<String> skipped) {
    throw new UnsupportedOperationException();
  }

  /** The one of so many steps; its absence is a Refusal that says which there are. */
  public Checkpoint at(long steps) {
    throw new UnsupportedOperationException();
  }

  /** Removes complete checkpoints that need not stay, and what deaths left of older ones. */
  public void keep(Retention retention) {
    throw new UnsupportedOperationException();
  }

  /** Removes all of more steps: when a run that goes on from here is another from here on. */
  public void dropAfter(long steps) {
    throw new UnsupportedOperationException();
  }
}
