package org.dunlin.conf.embed;

import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import org.dunlin.worker.evaluate.PairScores.Mode;
import org.dunlin.worker.evaluate.PairScores.Weights;

/**
 * What {@code dunlin score} is asked for.
 *
 * @param model its folder: an embedding model or a reranker
 * @param pairs file of rows; absent: the standard input
 * @param mode of an embedding model's scores
 * @param weights of a mixed mode
 * @param padsInMaxSim whether padding counts as FlagEmbedding has it
 * @param sigmoid whether a reranker's scores are brought between 0 and 1
 * @param queryMaxTokens where a query is cut
 * @param maxTokens where a passage is cut; with a reranker, the pair
 */
public record ScoreRequest(
    Path model,
    Optional<Path> pairs,
    Optional<Mode> mode,
    Optional<Weights> weights,
    boolean padsInMaxSim,
    boolean sigmoid,
    OptionalInt queryMaxTokens,
    OptionalInt maxTokens) {}
