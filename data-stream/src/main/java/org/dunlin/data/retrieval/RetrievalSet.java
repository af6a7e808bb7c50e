package org.dunlin.data.retrieval;

import java.util.List;
import java.util.Map;

/**
 * Queries, the documents among which their answers are, and how good an answer each is. Immutable.
 *
 * @param queries texts
 * @param documents texts
 * @param relevances by query: document index to grade, 1 and up; what is missing is irrelevant
 */
public record RetrievalSet(
    List<String> queries, List<String> documents, List<Map<Integer, Integer>> relevances) {
  public RetrievalSet {
    queries = List.copyOf(queries);
    documents = List.copyOf(documents);
    relevances = relevances.stream().map(Map::copyOf).toList();
    if (queries.size() != relevances.size()) {
      throw new IllegalArgumentException(
          "relevances: of %d queries (expected: %d)".formatted(relevances.size(), queries.size()));
    }
  }
}
