package org.dunlin.data.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.dunlin.protocol.Refusal;

/**
 * The weights of a model folder: the first of the names that Hugging Face libraries look for.
 *
 * @param path the file, or the index of several
 * @param file opened; owned by whoever holds this
 */
record FolderWeights(Path path, WeightsFile file) {
  private static final List<String> NAMES =
      List.of(
          "model.safetensors",
          "model.safetensors.index.json",
          "pytorch_model.bin",
          "pytorch_model.bin.index.json");

  static FolderWeights open(Path folder) {
    Optional<Path> found =
        NAMES.stream().map(folder::resolve).filter(Files::isReadable).findFirst();
    Path path =
        found.orElseThrow(
            () ->
                Refusal.usage(
                    folder
                        + ": has no readable model.safetensors or pytorch_model.bin (expected: a"
                        + " Hugging Face model folder)"));
    String name = path.getFileName().toString();
    WeightsFile file =
        name.endsWith(".json")
            ? ShardedWeights.open(path)
            : name.endsWith(".safetensors") ? SafetensorsFile.open(path) : TorchFile.open(path);
    return new FolderWeights(path, file);
  }

  /** SHA-256 of the file; of several, that of their own digests in the order of their names. */
  String sha256() {
    try {
      if (!(file instanceof ShardedWeights shards)) {
        return Sha256.of(path);
      }
      var digest = Sha256.digest();
      for (String shard : shards.shards()) {
        digest.update(HexFormat.of().parseHex(Sha256.of(path.resolveSibling(shard))));
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (IOException e) {
      throw Refusal.run(path + ": cannot be read: " + e.getMessage(), e);
    }
  }
}
