package org.dunlin.data.wordnet;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.dunlin.data.retrieval.RetrievalSet;

/**
 * Which kind of thing is it? Documents are all nouns that have hyponyms, the queries' own among
 * them; the grades are 3 for a direct hypernym, 2 for its parent, 1 for its grandparent.
 */
final class CategoryTask {
  private static final Set<String> HYPERNYM = Set.of("@");
  private static final Set<String> HYPONYM = Set.of("~");
  private static final int LEMMAS = 3;
  private static final int TOP_GRADE = 3;

  private final WordNet wordNet;
  private final Map<String, Integer> documents = new LinkedHashMap<>();
  private final List<Synset> nouns; // those that have a hypernym

  CategoryTask(WordNet wordNet) {
    this.wordNet = wordNet;
    this.nouns =
        wordNet.kept().stream()
            .filter(synset -> synset.isNoun() && !wordNet.related(synset, HYPERNYM).isEmpty())
            .toList();
    for (Synset synset : wordNet.kept()) {
      if (synset.isNoun() && !wordNet.related(synset, HYPONYM).isEmpty()) {
        documents.putIfAbsent(document(synset), documents.size());
      }
    }
  }

  List<TextPair> trainingPairs() {
    List<TextPair> pairs = new ArrayList<>();
    for (Synset noun : nouns) {
      if (Part.TRAIN.has(noun)) {
        List<String> kinds =
            wordNet.related(noun, HYPERNYM).stream()
                .map(CategoryTask::document)
                .distinct()
                .toList();
        pairs.add(new TextPair(query(noun), kinds));
      }
    }
    return pairs;
  }

  RetrievalSet heldOut(Part part) {
    List<Synset> queries = WordNetTask.draw(nouns.stream().filter(part::has).toList());
    List<Map<Integer, Integer>> relevances = new ArrayList<>();
    for (Synset query : queries) {
      Map<Integer, Integer> grades = new HashMap<>();
      List<Synset> level = List.of(query);
      for (int grade = TOP_GRADE; grade >= 1; grade--) {
        level =
            level.stream()
                .flatMap(synset -> wordNet.related(synset, HYPERNYM).stream())
                .distinct()
                .toList();
        for (Synset above : level) {
          grades.merge(documents.get(document(above)), grade, Math::max);
        }
      }
      relevances.add(grades);
    }
    return new RetrievalSet(
        queries.stream().map(CategoryTask::query).toList(),
        List.copyOf(documents.keySet()),
        relevances);
  }

  private static String query(Synset noun) {
    return noun.lemmas().get(0) + ": " + noun.definition();
  }

  private static String document(Synset noun) {
    List<String> lemmas = noun.lemmas();
    return String.join(", ", lemmas.subList(0, Math.min(LEMMAS, lemmas.size())));
  }
}
