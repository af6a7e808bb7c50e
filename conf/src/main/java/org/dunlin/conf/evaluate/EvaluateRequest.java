package org.dunlin.conf.evaluate;

import java.nio.file.Path;
import org.dunlin.data.retrieval.RetrievalFiles;

/**
 * What {@code dunlin evaluate} is asked for.
 *
 * @param model a Hugging Face folder
 * @param files the retrieval test
 * @param form what texts become; limits of tokens beyond what the model takes mean that
 */
public record EvaluateRequest(Path model, RetrievalFiles files, RetrievalTest.Form form) {}
