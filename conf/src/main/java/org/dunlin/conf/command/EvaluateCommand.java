package org.dunlin.conf.command;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.dunlin.conf.evaluate.EvaluateRequest;
import org.dunlin.conf.evaluate.RetrievalTest;
import org.dunlin.data.retrieval.RetrievalFiles;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.TextTemplate;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code dunlin evaluate}. */
@Command(
    name = "evaluate",
    description = {
      "Measures how well a model's dense embeddings find what answers a query: embeds all texts and"
          + " searches exactly."
    },
    footer = {
      "",
      "Example:",
      "  dunlin evaluate my-run/model --corpus corpus.jsonl --queries queries.jsonl --qrels"
          + " qrels.tsv",
      "The files are as BEIR and FlagEmbedding have them. The same model and files give the same"
          + " figures, 0 to 1 each. A run measures itself so with eval.every-steps."
    })
final class EvaluateCommand implements Callable<Integer> {
  private final Actions.Evaluate action;

  @Parameters(paramLabel = "MODEL", description = "Hugging Face folder of an embedding model.")
  private Path model;

  @Option(
      names = "--corpus",
      required = true,
      paramLabel = "FILE",
      description = "Documents: {\"_id\" or \"id\", \"text\" and perhaps \"title\"} a line.")
  private Path corpus;

  @Option(
      names = "--queries",
      required = true,
      paramLabel = "FILE",
      description = "Queries: {\"_id\" or \"id\", \"text\"} a line.")
  private Path queries;

  @Option(
      names = "--qrels",
      required = true,
      paramLabel = "FILE",
      description =
          "Judgements: query, document and grade between tabs, or {\"qid\", \"docid\","
              + " \"relevance\"} a line.")
  private Path qrels;

  @Option(
      names = "--query-max-tokens",
      paramLabel = "N",
      description = "Longer queries are cut (default: what the model takes).")
  private int queryMaxTokens = Integer.MAX_VALUE;

  @Option(
      names = "--passage-max-tokens",
      paramLabel = "N",
      description = "Longer documents are cut (default: what the model takes).")
  private int passageMaxTokens = Integer.MAX_VALUE;

  @Option(
      names = "--query-instruction",
      paramLabel = "TEXT",
      description = "Put before every query (default: nothing).")
  private String queryInstruction = "";

  EvaluateCommand(Actions.Evaluate action) {
    this.action = action;
  }

  @Override
  public Integer call() {
    return action.run(
        new EvaluateRequest(
            model,
            new RetrievalFiles(corpus, queries, qrels),
            new RetrievalTest.Form(
                new DataSpec.Texts(queryInstruction, TextTemplate.JOINED, "", TextTemplate.JOINED),
                least("--query-max-tokens", queryMaxTokens),
                least("--passage-max-tokens", passageMaxTokens))),
        System.out);
  }

  // A text has a token beside the two that enclose it.
  private static int least(String flag, int tokens) {
    if (tokens < 3) {
      throw Refusal.usage("%s: %d (expected: at least 3)".formatted(flag, tokens));
    }
    return tokens;
  }
}
