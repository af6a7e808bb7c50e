package org.dunlin.data.checkpoint;

import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.checkpoint.CheckpointPart;
import org.dunlin.protocol.run.MicroBatchLimit;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.protocol.run.Scalars;

/**
 * What a checkpoint is, but for the tensors' values. Immutable.
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
      cuts = List.copyOf(cuts);
    }
  }

  /** From a step on, micro-batches have one limit more. */
  public record Cut(long fromStep, MicroBatchLimit limit) {}

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

  /** Reads one; what is not as Dunlin wrote it is a {@link org.dunlin.protocol.Refusal}. */
  public static Manifest read(Path file) {
    throw new UnsupportedOperationException();
  }
}
