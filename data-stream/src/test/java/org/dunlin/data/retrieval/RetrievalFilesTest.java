package org.dunlin.data.retrieval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The files of BEIR and FlagEmbedding are read alike; what does not fit is named by line. */
class RetrievalFilesTest {
  private static final String CORPUS =
      "{\"_id\":\"a\",\"title\":\"Waders\",\"text\":\"a dunlin\"}\n{\"_id\":\"b\",\"text\":\"a gull\"}\n";
  private static final String QUERIES =
      "{\"_id\":\"1\",\"text\":\"small wader\"}\n{\"_id\":\"2\",\"text\":\"unjudged\"}\n\n{\"_id\":\"3\",\"text\":\"white bird\"}\n";
  private static final String QRELS =
      "query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t0\n3\tb\t1\n9\ta\t1\n";

  @TempDir private Path folder;

  private RetrievalFiles files(String corpus, String queries, String qrels) throws Exception {
    return new RetrievalFiles(
        Files.writeString(folder.resolve("corpus.jsonl"), corpus),
        Files.writeString(folder.resolve("queries.jsonl"), queries),
        Files.writeString(folder.resolve("qrels"), qrels));
  }

  @Test
  void shouldReadBothForms() throws Exception {
    RetrievalSet expected =
        new RetrievalSet(
            List.of("small wader", "white bird"),
            List.of("Waders a dunlin", "a gull"),
            List.of(Map.of(0, 2), Map.of(1, 1)));
    RetrievalFiles files = files(CORPUS, QUERIES, QRELS);
    assertThat(files.read()).isEqualTo(expected);
    String sha256 = files.sha256();
    RetrievalFiles others =
        files(
            CORPUS.replace("_id", "id"),
            QUERIES.replace("_id", "id"),
            """
            {"qid":"1","docid":"a","relevance":2}
            {"qid":"3","docid":"b","relevance":1}
            """);
    assertThat(others.read()).isEqualTo(expected);
    assertThat(others.sha256()).isNotEqualTo(sha256);
  }

  @Test
  void shouldNameWhatDoesNotFit() throws Exception {
    refuses(files(CORPUS, QUERIES, ""), "judges none of the 3 queries");
    refuses(files(CORPUS, QUERIES, "1\ta\t0\n"), "judges none of the 3 queries");
    refuses(files(CORPUS, QUERIES, "1\ta\t1\n1\tz\t1\n"), "qrels, line 2: names document 'z'");
    refuses(files(CORPUS, QUERIES, "1 a 1\n"), "qrels, line 1: has 1 columns");
    refuses(
        files(CORPUS, QUERIES, "1\ta\t1\n1\ta\tgood\n"), "qrels, line 2: has a grade of 'good'");
    refuses(files(CORPUS + "[]\n", QUERIES, QRELS), "corpus.jsonl, line 3: is no object of JSON");
    refuses(files(CORPUS + CORPUS, QUERIES, QRELS), "corpus.jsonl, line 3: has an id that");
    refuses(files("{\"_id\":\"a\"}\n", QUERIES, QRELS), "corpus.jsonl, line 1: has no text");
    refuses(files(CORPUS, "{\"text\":\"q\"}\n", QRELS), "queries.jsonl, line 1: has no id");
    RetrievalFiles files = files(CORPUS, QUERIES, QRELS);
    Files.delete(files.qrels());
    refuses(files, "qrels: no such file");
  }

  private static void refuses(RetrievalFiles files, String with) {
    assertThatThrownBy(files::read).isInstanceOf(Refusal.class).hasMessageContaining(with);
  }
}
