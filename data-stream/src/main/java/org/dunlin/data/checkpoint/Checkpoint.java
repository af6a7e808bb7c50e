package org.dunlin.data.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.dunlin.data.model.Sha256;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.StateChunk;

/**
 * A whole checkpoint, opened for reading. Its values are those that were written or they are not
 * given out.
 *
 * <pre>{@code
 * try (Checkpoint checkpoint = Checkpoint.open(folder)) {
 *   for (StateChunk.Piece piece : checkpoint.pieces()) {
 *     send(piece, checkpoint.read(piece));
 *   }
 * }
 * }</pre>
 *
 * <p>Thread-safe, but an interrupt while it reads closes its files; close it.
 */
public final class Checkpoint implements AutoCloseable {
  private static final int CHUNK_FLOATS = StateChunk.MAX_BYTES / Float.BYTES;

  private record Held(PartFile file, int content) {}

  private final Path folder;
  private final Manifest manifest;
  private final List<PartFile> files = new ArrayList<>();
  private final Map<StateTensor, Held> places = new HashMap<>();
  private final Map<String, Tensor> tensors;
  private final List<StateChunk.Piece> pieces;

  private Checkpoint(Path folder, Manifest manifest) {
    this.folder = folder;
    this.manifest = manifest;
    this.tensors = manifest.tensorsByName();
    this.pieces = pieces(manifest);
  }

  /**
   * Opens a folder. Its manifest and its files' names, sizes and headers are checked; values are as
   * they are read, or by {@link #verify}.
   *
   * @throws Refusal that names what is not whole
   */
  public static Checkpoint open(Path folder) {
    Checkpoint checkpoint = new Checkpoint(folder, Manifest.read(folder.resolve(Manifest.NAME)));
    try {
      for (CheckpointPart part : checkpoint.manifest.files()) {
        checkpoint.add(part);
      }
      for (String text : checkpoint.manifest.texts().keySet()) {
        if (Disk.isAbsent(folder.resolve(text))) {
          throw Refusal.run(folder.resolve(text) + ": is not there, though the manifest names it");
        }
      }
      return checkpoint;
    } catch (RuntimeException e) {
      checkpoint.close();
      throw e;
    }
  }

  private void add(CheckpointPart part) {
    List<StateTensor> held = manifest.tensors(part);
    PartFile file = PartFile.open(folder, part, held);
    files.add(file);
    for (int at = 0; at < held.size(); at++) {
      places.put(held.get(at), new Held(file, at));
    }
  }

  public Manifest manifest() {
    return manifest;
  }

  /** Where it lies. */
  public Path folder() {
    return folder;
  }

  /** The size of all files of tensors. */
  public long bytes() {
    return manifest.files().stream().mapToLong(CheckpointPart::bytes).sum();
  }

  /** The run's settings, HOCON. */
  public String runConf() {
    return new String(text(CheckpointStore.RUN_CONF), StandardCharsets.UTF_8);
  }

  /**
   * All of the state, frozen tensors included, in the run's one order of tensors: of each the
   * parameter, then the moments if it is trained, front to back.
   */
  public List<StateChunk.Piece> pieces() {
    return pieces;
  }

  private static List<StateChunk.Piece> pieces(Manifest manifest) {
    return manifest.state().stream()
        .flatMap(
            part -> StateChunk.pieces(part.kind(), part.tensor().name(), part.tensor().elements()))
        .toList();
  }

  /**
   * Reads values, checked by CRC32C.
   *
   * @param piece one of {@link #pieces}
   * @return little-endian float32, read-only, the caller's
   * @throws Refusal that names file, tensor and MiB where they are not what was written
   */
  public ByteBuffer read(StateChunk.Piece piece) {
    Held held = places.get(new StateTensor(piece.kind(), tensors.get(piece.tensor())));
    return held.file().read(held.content(), (int) (piece.firstElement() / CHUNK_FLOATS));
  }

  /**
   * Reads all files whole and compares every checksum.
   *
   * @param progress told of each file that is as it was written
   * @throws Refusal that names the first one that is not
   */
  public void verify(Consumer<String> progress) {
    List<CheckpointPart> parts = manifest.files();
    for (int at = 0; at < parts.size(); at++) {
      files.get(at).verify();
      progress.accept(
          "%s: %d tensors, %d bytes, as they were written"
              .formatted(
                  parts.get(at).file(), parts.get(at).contents().size(), parts.get(at).bytes()));
    }
    for (String text : new TreeMap<>(manifest.texts()).keySet()) {
      progress.accept("%s: %d bytes, as they were written".formatted(text, text(text).length));
    }
  }

  /** The file of what the run does not train, with its values checked; absent if it trains all. */
  Optional<CheckpointPart> soundFrozen() {
    manifest.frozen().ifPresent(frozen -> files.getLast().checkValues());
    return manifest.frozen();
  }

  private byte[] text(String name) {
    Path file = folder.resolve(name);
    try {
      byte[] bytes = Files.readAllBytes(file);
      String found = HexFormat.of().formatHex(Sha256.digest().digest(bytes));
      if (!found.equals(manifest.texts().get(name))) {
        throw Refusal.run(
            "%s: SHA-256 is %s (expected: %s); the file was changed"
                .formatted(file, found, manifest.texts().get(name)));
      }
      return bytes;
    } catch (NoSuchFileException e) {
      throw Refusal.run(file + ": is not there, though the manifest names it", e);
    } catch (IOException e) {
      throw PartFile.cannotRead(file, e);
    }
  }

  @Override
  public void close() {
    files.forEach(PartFile::close);
  }
}
