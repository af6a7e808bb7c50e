package org.dunlin.data.checkpoint;

import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.dunlin.protocol.Refusal;

/**
 * The folder of a run's checkpoints and, where a person named one, a second folder with a copy of
 * each. What is not sound in the first is read from the second.
 *
 * <pre>{@code
 * CheckpointFolders folders = CheckpointFolders.of(folder, Optional.of(copy));
 * folders.first().complete(manifest, runConf);
 * folders.copy(steps);
 * ...
 * Optional<Place> place = folders.newest(checkpoint -> checked(checkpoint), sentence -> tell(sentence));
 * }</pre>
 *
 * <p>All calls block on the disk. Reading is thread-safe; what writes is called by one thread.
 */
public final class CheckpointFolders {
  private final CheckpointStore first;
  private final Optional<CheckpointStore> second;
  private final Map<Long, CheckpointStore> found = new ConcurrentHashMap<>();

  private CheckpointFolders(CheckpointStore first, Optional<CheckpointStore> second) {
    this.first = first;
    this.second = second;
  }

  /** Two folders, which need not be there, or one. */
  public static CheckpointFolders of(Path folder, Optional<Path> copy) {
    return new CheckpointFolders(CheckpointStore.in(folder), copy.map(CheckpointStore::in));
  }

  /** Where checkpoints are made. */
  public CheckpointStore first() {
    return first;
  }

  /** Whether each is copied. */
  public boolean hasCopies() {
    return second.isPresent();
  }

  /** The steps of those that have a manifest in either folder, newest first. */
  public List<Long> complete() {
    return Stream.concat(first.complete().stream(), copies(why -> {}).stream())
        .distinct()
        .sorted(Comparator.reverseOrder())
        .toList();
  }

  // The second folder's disk may fail as it likes.
  private List<Long> copies(Consumer<String> told) {
    try {
      return second.map(CheckpointStore::complete).orElse(List.of());
    } catch (Refusal e) {
      told.accept("copies of checkpoints are not looked at: " + e.getMessage());
      return List.of();
    }
  }

  /** Where the one after so many steps lies that was found sound last, there or not. */
  public Path folder(long steps) {
    return found.getOrDefault(steps, first).folder(steps);
  }

  /** Opens the one after so many steps that was found sound last. Close it. */
  public Checkpoint open(long steps) {
    return found.getOrDefault(steps, first).at(steps);
  }

  /**
   * The newest that is sound.
   *
   * @param check makes of a checkpoint what is wanted, or refuses it
   * @param told in a sentence each, which are not taken, or taken from the second folder, and why
   */
  public <T> Optional<T> newest(Function<Checkpoint, T> check, Consumer<String> told) {
    List<Long> all =
        Stream.of(first.complete(), first.incomplete(), copies(told))
            .flatMap(List::stream)
            .distinct()
            .sorted(Comparator.reverseOrder())
            .toList();
    for (long steps : all) {
      try {
        return Optional.of(at(steps, check, told));
      } catch (Refusal e) {
        told.accept("checkpoint after %d steps skipped: %s".formatted(steps, e.getMessage()));
      }
    }
    return Optional.empty();
  }

  /** The same of the one after so many steps; a Refusal if it is sound nowhere. */
  public <T> T at(long steps, Function<Checkpoint, T> check, Consumer<String> told) {
    try {
      return in(first, steps, check);
    } catch (Refusal e) {
      if (!copies(why -> {}).contains(steps)) {
        throw e;
      }
      CheckpointStore copies = second.orElseThrow();
      T made = inCopy(copies, steps, check, e);
      told.accept(
          "the checkpoint after %d steps is read from its copy %s, because %s"
              .formatted(steps, FolderName.of(copies.folder(steps)), e.getMessage()));
      return made;
    }
  }

  private <T> T inCopy(
      CheckpointStore copies, long steps, Function<Checkpoint, T> check, Refusal before) {
    try {
      return in(copies, steps, check);
    } catch (Refusal e) {
      throw Refusal.run(
          "%s; and of its copy: %s".formatted(before.getMessage(), e.getMessage()), e);
    }
  }

  private <T> T in(CheckpointStore store, long steps, Function<Checkpoint, T> check) {
    try (Checkpoint checkpoint = store.at(steps)) {
      T made = check.apply(checkpoint);
      found.put(steps, store);
      return made;
    }
  }

  /**
   * Copies one that has just been completed, if there is a second folder. What fails leaves the
   * first one, and nothing of the copy.
   */
  public void copy(long steps) {
    found.remove(steps);
    second.ifPresent(copies -> copy(copies, steps));
  }

  private void copy(CheckpointStore copies, long steps) {
    try (Checkpoint checkpoint = first.at(steps)) {
      copies.copy(checkpoint);
    } catch (Refusal e) {
      try {
        copies.abandon(steps);
      } catch (Refusal also) {
        e.addSuppressed(also);
      }
      throw e;
    }
  }

  /** Removes whole ones that need not stay, as {@link CheckpointStore#keep}, from the first. */
  public void keep(Retention retention) {
    first.keep(retention);
  }

  /** The same from the second. */
  public void keepCopies(Retention retention) {
    second.ifPresent(copies -> copies.keep(retention));
  }

  /** Removes all of more steps from both. */
  public void dropAfter(long steps) {
    first.dropAfter(steps);
    second.ifPresent(copies -> copies.dropAfter(steps));
  }
}
