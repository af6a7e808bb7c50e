package org.dunlin.data.model;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.dunlin.protocol.Refusal;

/** A model cut into several files, with an index that says which tensor lies in which. */
final class ShardedWeights implements WeightsFile {
  private final Map<String, WeightsFile> files = new TreeMap<>();
  private final Map<String, WeightsFile> homes = new LinkedHashMap<>();

  private ShardedWeights() {}

  /** Opens {@code model.safetensors.index.json} or {@code pytorch_model.bin.index.json}. */
  static ShardedWeights open(Path index) {
    ShardedWeights all = new ShardedWeights();
    try {
      JsonNode names = ModelFolder.readJson(index).path("weight_map");
      for (Map.Entry<String, JsonNode> name : names.properties()) {
        WeightsFile file =
            all.files.computeIfAbsent(name.getValue().asText(), shard -> openShard(index, shard));
        if (file.contains(name.getKey())) {
          all.homes.put(name.getKey(), file);
        }
      }
      if (all.homes.isEmpty()) {
        throw Refusal.run(index + ": names no tensor (expected: a weight_map)");
      }
      return all;
    } catch (Refusal e) {
      all.close();
      throw e;
    }
  }

  /** The shards' names, sorted. */
  Collection<String> shards() {
    return List.copyOf(files.keySet());
  }

  @Override
  public Collection<Tensor> tensors() {
    List<Tensor> tensors = new ArrayList<>();
    files.values().forEach(file -> tensors.addAll(file.tensors()));
    return tensors.stream().filter(tensor -> contains(tensor.name())).toList();
  }

  @Override
  public boolean contains(String name) {
    return homes.containsKey(name);
  }

  @Override
  public void read(String name, long firstElement, FloatBuffer into) {
    WeightsFile home = homes.get(name);
    if (home == null) {
      throw new IllegalArgumentException(name + ": in no shard");
    }
    home.read(name, firstElement, into);
  }

  @Override
  public void close() {
    files.values().forEach(WeightsFile::close);
  }

  private static WeightsFile openShard(Path index, String shard) {
    if (shard.isEmpty() || !Path.of(shard).equals(Path.of(shard).getFileName())) {
      throw Refusal.run(index + ": names the file '" + shard + "' (expected: one beside it)");
    }
    Path file = index.resolveSibling(shard);
    return shard.endsWith(".safetensors") ? SafetensorsFile.open(file) : TorchFile.open(file);
  }
}
