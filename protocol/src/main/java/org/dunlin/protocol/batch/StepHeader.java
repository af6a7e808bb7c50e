package org.dunlin.protocol.batch;

/**
 * What every member must know of a step before its embeddings are gathered.
 *
 * <p>Queries are numbered through the global batch, slot by slot; passage {@code p} belongs to
 * query {@code p / groupSize} and is its positive where {@code p % groupSize == 0}.
 *
 * @param step from 0
 * @param epoch from 0
 * @param groupSize passages of each query
 * @param firstQuery {@code [slots + 1]}: slot s holds queries {@code firstQuery[s]} to {@code
 *     firstQuery[s + 1] - 1}; equal bounds mean an empty slot
 * @param sampleIds {@code [queries]}: rows of the training data, counted through all files
 * @param passageHashes {@code [queries * groupSize]}: equal texts have equal hashes
 * @param tokens real tokens of the batch
 * @param paddedTokens the same with what padding costs, in tokens' worth of work
 * @param inBatchNegatives whether other queries' passages are a query's negatives too
 * @param teacherScores {@code [queries * groupSize]}: a teacher's raw scores, or empty
 */
public record StepHeader(
    long step,
    int epoch,
    int groupSize,
    int[] firstQuery,
    long[] sampleIds,
    long[] passageHashes,
    long tokens,
    long paddedTokens,
    boolean inBatchNegatives,
    float[] teacherScores)
    implements FeedItem {

  /** A step with in-batch negatives and without a teacher. */
  public StepHeader(
      long step,
      int epoch,
      int groupSize,
      int[] firstQuery,
      long[] sampleIds,
      long[] passageHashes,
      long tokens,
      long paddedTokens) {
    this(
        step,
        epoch,
        groupSize,
        firstQuery,
        sampleIds,
        passageHashes,
        tokens,
        paddedTokens,
        true,
        new float[0]);
  }

  public StepHeader {
    int queries = firstQuery[firstQuery.length - 1];
    if (sampleIds.length != queries || passageHashes.length != queries * groupSize) {
      throw new IllegalArgumentException(
          "step %d: %d sample ids and %d hashes (expected: %d and %d)"
              .formatted(
                  step, sampleIds.length, passageHashes.length, queries, queries * groupSize));
    }
    if (teacherScores.length != 0 && teacherScores.length != queries * groupSize) {
      throw new IllegalArgumentException(
          "step %d: %d teacher scores (expected: none or %d)"
              .formatted(step, teacherScores.length, queries * groupSize));
    }
  }

  /** Number of slots, empty ones included. */
  public int slots() {
    return firstQuery.length - 1;
  }

  /** Queries of the global batch. */
  public int queries() {
    return firstQuery[slots()];
  }

  /** Passages of the global batch. */
  public int passages() {
    return queries() * groupSize;
  }

  /** Whether the plan gave this slot nothing; it is then absent from every sum. */
  public boolean isEmpty(int slot) {
    return firstQuery[slot] == firstQuery[slot + 1];
  }
}
