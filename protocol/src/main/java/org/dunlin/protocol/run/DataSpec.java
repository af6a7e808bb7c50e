package org.dunlin.protocol.run;

/**
 * How files become batches and rows become texts, as far as {@link BatchSpec} does not say it.
 *
 * @param sameDataset whether a batch takes its queries from one file; only then a row's {@code
 *     type}, {@code batch_size} and {@code train_group_size} count
 * @param smallThreshold a file with fewer rows is left out or, in a folder, joined with other such
 *     files; 0 for none
 * @param dropThreshold files so joined are left out if they have fewer rows together
 * @param maxRowsPerFile of a longer file this many rows are drawn
 * @param shuffleRatio probability that a long positive's three parts change places
 * @param texts what is put before queries and passages
 * @param distillation whether rows must have teacher scores
 * @param devices what a row's {@code batch_size} and a length table's entry are multiplied with
 * @param byLength which table of batch sizes by length applies
 * @param compat whether FlagEmbedding's oddities are followed
 */
public record DataSpec(
    boolean sameDataset,
    int smallThreshold,
    int dropThreshold,
    int maxRowsPerFile,
    double shuffleRatio,
    Texts texts,
    boolean distillation,
    int devices,
    ByLength byLength,
    boolean compat) {

  /** What FlagEmbedding takes if nothing is said. */
  public static final int MOST_ROWS_PER_FILE = 100_000_000;

  /** Every row of every file, shuffled together, as it is. */
  public static final DataSpec PLAIN =
      new DataSpec(false, 0, 0, MOST_ROWS_PER_FILE, 0, Texts.BARE, false, 1, ByLength.NONE, false);

  /** Tables of batch sizes by the length in a file's name. */
  public enum ByLength {
    NONE,
    /** What BGE-M3 was trained with, for each of its 80 GB devices. */
    BGE_M3_80GB
  }

  /**
   * What is put before queries and passages.
   *
   * @param queryInstruction for rows without a prompt of their own; empty for none
   * @param passageInstruction empty for none
   */
  public record Texts(
      String queryInstruction,
      TextTemplate queryTemplate,
      String passageInstruction,
      TextTemplate passageTemplate) {
    public static final Texts BARE = new Texts("", TextTemplate.JOINED, "", TextTemplate.JOINED);
  }

  public DataSpec {
    Check.atLeast("data.small-threshold", smallThreshold, 0);
    Check.atLeast("data.drop-threshold", dropThreshold, 0);
    Check.atLeast("data.max-rows-per-file", maxRowsPerFile, 1);
    Check.within("data.shuffle-ratio", shuffleRatio, 0, 1);
    Check.atLeast("batch.devices", devices, 1);
    if (!sameDataset && smallThreshold + dropThreshold > 0) {
      throw new IllegalArgumentException(
          "data.small-threshold: %d, and data.drop-threshold: %d (expected: 0 without data.same-dataset, which they belong to)"
              .formatted(smallThreshold, dropThreshold));
    }
    if (!sameDataset && byLength != ByLength.NONE) {
      throw new IllegalArgumentException(
          "batch.by-length: set (expected: none without data.same-dataset, because the lengths are those of whole files)");
    }
  }
}
