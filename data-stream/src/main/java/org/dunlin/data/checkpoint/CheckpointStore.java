package org.dunlin.data.checkpoint;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.run.RunSpec;

/**
 * A run's checkpoints, each in a folder {@code step-000020} after so many committed steps.
 *
 * <pre>{@code
 * Optional<Path> folder = store.begin(steps, bytes);           // empty: it is there already
 * parts = ...;                                                 // members write with PartWriter
 * Optional<CheckpointPart> frozen = store.frozen(steps, model, spec);
 * store.complete(new Manifest(spec, place, origin, parts, frozen), runConf);
 * store.keep(retention);
 * }</pre>
 *
 * <p>What fails is a {@link Refusal}, and leaves every complete checkpoint as it is. All calls
 * block on the disk; one at a time.
 */
public final class CheckpointStore {
  /** Where a run's checkpoints are, in its folder, unless it is told otherwise. */
  public static final String FOLDER = "checkpoints";

  /** The run's settings, in a checkpoint's folder. */
  static final String RUN_CONF = "run.conf";

  private static final String README = "README.md";
  private static final String FROZEN = "frozen.safetensors";
  private static final Pattern STEP = Pattern.compile("step-([0-9]{6,18})");

  // Headers, the manifest and what a file system takes for itself.
  private static final long SPARE_BYTES = 4L << 20;

  private final Path root;

  private CheckpointStore(Path root) {
    this.root = root;
  }

  /** The checkpoints in a folder, which {@link #begin} makes where there is none. */
  public static CheckpointStore in(Path folder) {
    return new CheckpointStore(folder);
  }

  /** Whether there is such a folder. */
  public boolean isThere() {
    return Disk.isFolder(root) && Files.isDirectory(Disk.asFolder(root));
  }

  /** The folder of the checkpoint after so many steps, there or not. */
  public Path folder(long steps) {
    return root.resolve("step-%06d".formatted(steps));
  }

  /**
   * Makes the folder that parts are written into. What a death left of the same step is removed,
   * and so is a checkpoint of it that is not sound.
   *
   * @param steps committed
   * @param bytes that will be written, see {@link StateShares#bytes}; a disk that has less is a
   *     Refusal
   * @return the folder; empty where there is a complete, sound checkpoint of these steps already
   */
  public Optional<Path> begin(long steps, long bytes) {
    Path folder = folder(steps);
    try {
      if (Disk.isFolder(folder)) {
        if (isSound(folder)) {
          return Optional.empty();
        }
        Disk.removeCheckpoint(folder);
      }
      if (!Files.exists(root)) {
        Files.createDirectories(root);
        Disk.names(root.toAbsolutePath().getParent());
      }
      Disk.requireRoom(root, bytes + SPARE_BYTES);
      Files.createDirectory(folder);
      Disk.names(root);
      return Optional.of(folder);
    } catch (IOException e) {
      throw refused(folder, "cannot be made", e);
    }
  }

  // A disk that does not answer says nothing about what it holds: nothing is removed for that.
  private static boolean isSound(Path folder) {
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      checkpoint.verify(file -> {});
      return true;
    } catch (Refusal e) {
      if (e.getCause() instanceof IOException && !(e.getCause() instanceof NoSuchFileException)) {
        throw e;
      }
      return false;
    }
  }

  /**
   * Puts the tensors that a run does not train into a begun checkpoint: linked from an earlier one
   * where there is one and links are possible, else written from the model.
   *
   * @param model whose weights the run started from; stays open meanwhile
   * @return for the manifest; empty where the run trains all
   */
  public Optional<CheckpointPart> frozen(long steps, ModelFolder model, RunSpec spec) {
    List<Tensor> tensors =
        model.tensors().stream()
            .filter(tensor -> !Manifest.trained(spec).test(tensor.name()))
            .toList();
    if (tensors.isEmpty()) {
      return Optional.empty();
    }
    Path file = folder(steps).resolve(FROZEN);
    try {
      Files.deleteIfExists(file);
      Optional<CheckpointPart> linked = linkFrozen(file, spec);
      return linked.isPresent() ? linked : Optional.of(writeFrozen(file, tensors, model));
    } catch (IOException e) {
      throw refused(file, "cannot be written", e);
    }
  }

  private Optional<CheckpointPart> linkFrozen(Path file, RunSpec spec) {
    for (long earlier : complete()) {
      try (Checkpoint checkpoint = Checkpoint.open(folder(earlier))) {
        RunSpec other = checkpoint.manifest().spec();
        if (other.weightsSha256().equals(spec.weightsSha256())
            && other.encoder().equals(spec.encoder())
            && other.optimizer().frozen() == spec.optimizer().frozen()) {
          // A link shares its bytes: spoiled ones would spoil every checkpoint from here on.
          Optional<CheckpointPart> frozen = checkpoint.soundFrozen();
          if (frozen.isPresent()) {
            Files.createLink(file, folder(earlier).resolve(frozen.get().file()));
            return frozen;
          }
        }
      } catch (Refusal | IOException | UnsupportedOperationException e) {
        // One that is not sound has nothing to give; without links the file is written again.
      }
    }
    return Optional.empty();
  }

  private static CheckpointPart writeFrozen(Path file, List<Tensor> tensors, ModelFolder model)
      throws IOException {
    try (PartWriter part = PartWriter.createFrozen(file, tensors)) {
      for (Tensor tensor : tensors) {
        for (StateChunk.Piece piece :
            StateChunk.pieces(Kind.PARAMETER, tensor.name(), tensor.elements()).toList()) {
          StateChunk chunk = piece.read(into -> model.read(tensor, piece.firstElement(), into));
          part.put(chunk.kind(), chunk.tensor(), chunk.firstElement(), chunk.values());
        }
      }
      return part.finish();
    }
  }

  /**
   * Makes a checkpoint of what was written: settings and a description beside it, the manifest
   * last. Files in the folder that the manifest does not name are removed.
   *
   * @param manifest with all parts that members have reported, and what {@link #frozen} gave
   * @param runConf the run's settings, HOCON
   */
  public void complete(Manifest manifest, String runConf) {
    Path folder = folder(manifest.place().steps());
    if (Files.exists(folder.resolve(Manifest.NAME))) {
      throw new IllegalStateException(folder + ": is complete already (expected: one just begun)");
    }
    for (CheckpointPart part : manifest.files()) {
      PartFile.open(folder, part, manifest.tensors(part)).close();
    }
    try {
      removeAllBut(manifest.files(), folder);
      byte[] conf = runConf.getBytes(StandardCharsets.UTF_8);
      byte[] readme = Description.of(manifest).getBytes(StandardCharsets.UTF_8);
      Disk.write(folder.resolve(RUN_CONF), conf);
      Disk.write(folder.resolve(README), readme);
      Manifest whole =
          manifest.with(
              Map.of(RUN_CONF, ManifestJson.sha256(conf), README, ManifestJson.sha256(readme)));
      Disk.write(folder.resolve(Manifest.NAME), ManifestJson.write(whole));
    } catch (IOException e) {
      throw refused(folder, "cannot be completed", e);
    }
  }

  // Of writers whose share another one has written, too.
  private static void removeAllBut(List<CheckpointPart> parts, Path folder) throws IOException {
    Set<String> kept = parts.stream().map(CheckpointPart::file).collect(Collectors.toSet());
    for (Path file : Disk.entries(folder)) {
      if (!kept.contains(Disk.name(file))) {
        Files.deleteIfExists(file);
      }
    }
  }

  /**
   * Makes the same checkpoint here, byte for byte, in place of one of as many steps. Tensors that
   * are not trained are linked from an earlier one where that is possible.
   *
   * @param source in another folder; its files are compared with their SHA-256
   */
  public void copy(Checkpoint source) {
    Manifest manifest = source.manifest();
    long steps = manifest.place().steps();
    Path folder = folder(steps);
    try {
      if (Disk.isFolder(folder)) {
        if (Disk.isSame(source.folder(), folder)) {
          throw Refusal.run(
              folder + ": is the checkpoint itself (expected: another folder, on another disk)");
        }
        Disk.removeCheckpoint(folder);
      }
      begin(steps, source.bytes());
      for (CheckpointPart part : manifest.parts()) {
        copy(source, part.file(), part.sha256());
      }
      if (manifest.frozen().isPresent()) {
        Path file = folder.resolve(FROZEN);
        if (!linkFrozen(file, manifest.spec()).equals(manifest.frozen())) {
          Files.deleteIfExists(file);
          copy(source, FROZEN, manifest.frozen().get().sha256());
        }
      }
      for (Map.Entry<String, String> text : manifest.texts().entrySet()) {
        copy(source, text.getKey(), text.getValue());
      }
      Disk.write(folder.resolve(Manifest.NAME), ManifestJson.write(manifest));
    } catch (IOException e) {
      throw refused(folder, "cannot be copied to", e);
    }
  }

  private void copy(Checkpoint source, String file, String sha256) throws IOException {
    Path target = folder(source.manifest().place().steps()).resolve(file);
    Disk.copy(source.folder().resolve(file), target, sha256);
  }

  /** Removes what was begun and not completed; a complete checkpoint stays. */
  public void abandon(long steps) {
    if (isIncomplete(steps)) {
      remove(steps);
    }
  }

  /** The steps of those that have a manifest, newest first. */
  public List<Long> complete() {
    return begun().stream()
        .filter(steps -> Files.exists(folder(steps).resolve(Manifest.NAME)))
        .toList();
  }

  /** The steps of those that were begun and have no manifest, newest first. */
  public List<Long> incomplete() {
    return begun().stream().filter(this::isIncomplete).toList();
  }

  /** The steps of all, complete or not, newest first. */
  private List<Long> begun() {
    List<Long> found = new ArrayList<>();
    try {
      for (Path entry : Disk.entries(root)) {
        Matcher name = STEP.matcher(Disk.name(entry));
        if (name.matches() && isFolderOf(Long.parseLong(name.group(1)), name.group())) {
          found.add(Long.parseLong(name.group(1)));
        }
      }
    } catch (NoSuchFileException e) {
      return List.of();
    } catch (IOException e) {
      throw Refusal.run(FolderName.of(root) + ": cannot be read: " + e.getMessage(), e);
    }
    found.sort(Comparator.reverseOrder());
    return found;
  }

  private boolean isFolderOf(long steps, String name) {
    return Disk.name(folder(steps)).equals(name);
  }

  /**
   * The newest that is whole; its values are checked as they are read.
   *
   * @param skipped told, in a sentence each, why newer ones are not
   */
  public Optional<Checkpoint> newest(Consumer<String> skipped) {
    return newestBefore(Long.MAX_VALUE, skipped);
  }

  /** The same among those of fewer steps: when the values of one turned out not to be sound. */
  public Optional<Checkpoint> newestBefore(long steps, Consumer<String> skipped) {
    for (long earlier : begun()) {
      if (earlier < steps) {
        try {
          return Optional.of(open(earlier));
        } catch (Refusal e) {
          skipped.accept(
              "checkpoint after %d steps skipped: %s".formatted(earlier, e.getMessage()));
        }
      }
    }
    return Optional.empty();
  }

  /** The one of so many steps; its absence is a Refusal that says which there are. */
  public Checkpoint at(long steps) {
    if (!begun().contains(steps)) {
      throw Refusal.usage(
          "%s: there is no checkpoint after %d steps (expected: one of %s)"
              .formatted(root, steps, complete()));
    }
    return open(steps);
  }

  private Checkpoint open(long steps) {
    Checkpoint checkpoint = Checkpoint.open(folder(steps));
    if (checkpoint.manifest().place().steps() != steps) {
      checkpoint.close();
      throw Refusal.run(
          "%s: is one after %d steps by its manifest (expected: %d, as its name says); give it its name back"
              .formatted(folder(steps), checkpoint.manifest().place().steps(), steps));
    }
    return checkpoint;
  }

  /**
   * Removes whole checkpoints that need not stay, and what deaths left incomplete before the newest
   * whole one. A later one may be being written; one that is complete and was spoiled is for a
   * person to look at, and counts for nothing.
   */
  public void keep(Retention retention) {
    List<Long> begun = begun();
    List<Long> whole = begun.stream().filter(this::isWhole).toList();
    List<Long> kept = retention.of(whole);
    for (long steps : begun) {
      boolean outlived = whole.contains(steps) && !kept.contains(steps);
      boolean left = !whole.isEmpty() && steps < whole.get(0) && isIncomplete(steps);
      if (outlived || left) {
        remove(steps);
      }
    }
  }

  // True only if that is known for sure.
  private boolean isIncomplete(long steps) {
    return Disk.isAbsent(folder(steps).resolve(Manifest.NAME));
  }

  private boolean isWhole(long steps) {
    try (Checkpoint checkpoint = open(steps)) {
      return checkpoint.manifest().place().steps() == steps;
    } catch (Refusal e) {
      return false;
    }
  }

  /** Removes all but some. */
  void retain(Set<Long> kept) {
    begun().stream().filter(steps -> !kept.contains(steps)).forEach(this::remove);
  }

  /** Removes all of more steps: when a run that goes on from here is another from here on. */
  public void dropAfter(long steps) {
    begun().stream().filter(later -> later > steps).forEach(this::remove);
  }

  /** Removes it, complete or not. */
  void remove(long steps) {
    try {
      Disk.removeCheckpoint(folder(steps));
    } catch (IOException e) {
      throw refused(folder(steps), "cannot be removed", e);
    }
  }

  private static Refusal refused(Path path, String what, IOException e) {
    // A part's writer has said it in a sentence.
    String why = Disk.why(e);
    return Refusal.run(
        why.startsWith(path.toString())
            ? why
            : "%s: %s: %s".formatted(FolderName.of(path), what, why),
        e);
  }
}
