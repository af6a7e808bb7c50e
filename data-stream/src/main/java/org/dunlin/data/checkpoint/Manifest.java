package org.dunlin.data.checkpoint;

import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.dunlin.data.model.EncoderTensors;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.CheckpointPart.Content;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.run.MicroBatchLimit;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.protocol.run.Scalars;

/**
 * What a checkpoint is, but for the tensors' values. It holds every tensor of its run exactly once,
 * in whatever files; a set of parts that does not is refused. Immutable.
 *
 * @param spec the run
 * @param place where in it
 * @param origin who wrote it
 * @param parts the files of the trained tensors, in any number
 * @param frozen the file of the tensors that the run does not train; absent where it trains all
 * @param texts SHA-256 of the files for people, by name; {@link CheckpointStore#complete} fills it
 */
public record Manifest(
    RunSpec spec,
    Place place,
    Origin origin,
    List<CheckpointPart> parts,
    Optional<CheckpointPart> frozen,
    Map<String, String> texts) {
  /** In a checkpoint's folder; who finds it has a whole checkpoint. */
  public static final String NAME = "manifest.json";

  /**
   * Where in a run, and what of its state is no tensor.
   *
   * @param steps committed, which is also the number of the next one
   * @param epoch of the next step, from 0
   * @param history how often the run went back to a checkpoint before
   * @param scalars after those steps
   * @param notFiniteInARow how many of the last steps were not finite
   * @param cuts the records so far
   * @param checksum of the last committed step's reduced gradient; 0 before the first
   */
  public record Place(
      long steps,
      int epoch,
      long history,
      Scalars scalars,
      long notFiniteInARow,
      List<Cut> cuts,
      long checksum) {
    public Place {
      atLeastZero("steps", steps);
      atLeastZero("epoch", epoch);
      atLeastZero("history", history);
      atLeastZero("not finite in a row", notFiniteInARow);
      cuts = List.copyOf(cuts);
    }
  }

  /** From a step on, micro-batches have one limit more. */
  public record Cut(long fromStep, MicroBatchLimit limit) {
    public Cut {
      atLeastZero("from step", fromStep);
    }
  }

  /**
   * Who wrote it.
   *
   * @param term of the coordinator
   * @param version of Dunlin
   * @param host of the coordinator
   * @param written when, by that host's clock
   */
  public record Origin(Term term, String version, String host, Instant written) {}

  public Manifest {
    parts = List.copyOf(parts);
    texts = Map.copyOf(texts);
    requireWhole(spec, parts, frozen);
  }

  /** As a coordinator makes it. */
  public Manifest(
      RunSpec spec,
      Place place,
      Origin origin,
      List<CheckpointPart> parts,
      Optional<CheckpointPart> frozen) {
    this(spec, place, origin, parts, frozen, Map.of());
  }

  /**
   * Reads one; what is not as Dunlin wrote it is a {@link org.dunlin.protocol.Refusal}.
   *
   * @param file the manifest itself
   */
  public static Manifest read(Path file) {
    return ManifestJson.read(file);
  }

  Manifest with(Map<String, String> otherTexts) {
    return new Manifest(spec, place, origin, parts, frozen, otherTexts);
  }

  /** All files of tensors. */
  List<CheckpointPart> files() {
    return files(parts, frozen);
  }

  private static List<CheckpointPart> files(
      List<CheckpointPart> parts, Optional<CheckpointPart> frozen) {
    return Stream.concat(parts.stream(), frozen.stream()).toList();
  }

  /** All of the state in the run's one order. */
  List<StateTensor> state() {
    return state(spec);
  }

  private static List<StateTensor> state(RunSpec spec) {
    Predicate<String> trained = trained(spec);
    List<StateTensor> all = new ArrayList<>();
    for (Tensor tensor : EncoderTensors.expected(spec.encoder(), spec.heads())) {
      if (trained.test(tensor.name())) {
        StateShares.withMoments(tensor).forEach(all::add);
      } else {
        all.add(new StateTensor(Kind.PARAMETER, tensor));
      }
    }
    return all;
  }

  /** Which tensors of a run, by name, get updates. */
  static Predicate<String> trained(RunSpec spec) {
    return name -> EncoderTensors.isTrained(spec.optimizer().frozen(), name);
  }

  Map<String, Tensor> tensorsByName() {
    return byName(spec);
  }

  private static Map<String, Tensor> byName(RunSpec spec) {
    Map<String, Tensor> byName = new LinkedHashMap<>();
    EncoderTensors.expected(spec.encoder(), spec.heads())
        .forEach(tensor -> byName.put(tensor.name(), tensor));
    return byName;
  }

  /** What a part of this manifest holds, with shapes. */
  List<StateTensor> tensors(CheckpointPart part) {
    Map<String, Tensor> byName = tensorsByName();
    return part.contents().stream()
        .map(content -> new StateTensor(content.kind(), byName.get(content.tensor())))
        .toList();
  }

  private static void requireWhole(
      RunSpec spec, List<CheckpointPart> parts, Optional<CheckpointPart> frozen) {
    Map<String, Tensor> byName = byName(spec);
    Set<StateTensor> missing = new HashSet<>(state(spec));
    Set<String> names = new HashSet<>();
    for (CheckpointPart part : files(parts, frozen)) {
      if (!names.add(part.file())) {
        throw new IllegalArgumentException(part.file() + ": is there twice (expected: once)");
      }
      for (Content content : part.contents()) {
        String stored = StateTensor.word(content.kind()) + "." + content.tensor();
        Tensor tensor = byName.get(content.tensor());
        if (tensor == null || !missing.remove(new StateTensor(content.kind(), tensor))) {
          throw new IllegalArgumentException(
              "%s: %s is there twice or is no part of the run (expected: each tensor once)"
                  .formatted(part.file(), stored));
        }
        long bytes = tensor.elements() * Float.BYTES;
        long chunks = (bytes + StateChunk.MAX_BYTES - 1) / StateChunk.MAX_BYTES;
        if (content.crcs().length != chunks) {
          throw new IllegalArgumentException(
              "%s: %s has %d checksums (expected: %d, one a MiB)"
                  .formatted(part.file(), stored, content.crcs().length, chunks));
        }
      }
    }
    if (!missing.isEmpty()) {
      throw new IllegalArgumentException(
          "%d tensors are in no part, such as %s (expected: each tensor once)"
              .formatted(
                  missing.size(),
                  missing.stream().map(StateTensor::stored).sorted().findFirst().orElseThrow()));
    }
  }

  private static void atLeastZero(String name, long value) {
    if (value < 0) {
      throw new IllegalArgumentException(name + ": " + value + " (expected: >= 0)");
    }
  }
}
