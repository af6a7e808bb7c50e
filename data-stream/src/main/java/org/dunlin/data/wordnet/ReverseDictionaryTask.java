package org.dunlin.data.wordnet;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.dunlin.data.retrieval.RetrievalSet;

/**
 * Which word is defined so? Documents are the lemmas of the synsets below a bucket, and of the
 * hypernyms of the queries; the grades are 2 for a lemma of the synset itself and 1 for one of a
 * hypernym or of a synset that WordNet calls similar.
 */
final class ReverseDictionaryTask {
  /** Hypernym; similar adjectives; verbs of one group. */
  private static final Set<String> NEAR = Set.of("@", "&", "$");

  private static final int DOCUMENT_BUCKETS = 15;
  private static final int OWN = 2;
  private static final int NEARBY = 1;

  private final WordNet wordNet;

  ReverseDictionaryTask(WordNet wordNet) {
    this.wordNet = wordNet;
  }

  List<TextPair> trainingPairs() {
    return wordNet.kept().stream()
        .filter(Part.TRAIN::has)
        .map(synset -> new TextPair(synset.definition(), synset.lemmas()))
        .toList();
  }

  RetrievalSet heldOut(Part part) {
    Map<String, Integer> documents = new LinkedHashMap<>();
    for (Synset synset : wordNet.kept()) {
      if (synset.bucket() < DOCUMENT_BUCKETS) {
        synset.lemmas().forEach(lemma -> index(documents, lemma));
      }
    }
    List<Synset> queries = WordNetTask.draw(wordNet.kept().stream().filter(part::has).toList());
    List<Map<Integer, Integer>> relevances = new ArrayList<>();
    for (Synset query : queries) {
      Map<Integer, Integer> grades = new HashMap<>();
      for (Synset near : wordNet.related(query, NEAR)) {
        near.lemmas().forEach(lemma -> grades.put(index(documents, lemma), NEARBY));
      }
      query.lemmas().forEach(lemma -> grades.put(index(documents, lemma), OWN));
      relevances.add(grades);
    }
    return new RetrievalSet(
        queries.stream().map(Synset::definition).toList(),
        List.copyOf(documents.keySet()),
        relevances);
  }

  private static int index(Map<String, Integer> documents, String lemma) {
    Integer known = documents.putIfAbsent(lemma, documents.size());
    return known == null ? documents.size() - 1 : known;
  }
}
