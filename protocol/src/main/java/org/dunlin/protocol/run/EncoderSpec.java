package org.dunlin.protocol.run;

/**
 * The architecture of a BERT or XLM-RoBERTa encoder, as its {@code config.json} gives it.
 *
 * @param family which of the two; they differ in how positions are numbered
 * @param vocabulary rows of the word embedding
 * @param positions rows of the position embedding, XLM-R's two unused first ones included
 * @param tokenTypes rows of the token type embedding
 * @param hidden width of a hidden state
 * @param layers number of transformer layers
 * @param heads attention heads; divides {@code hidden}
 * @param feedForward width inside a feed-forward block
 * @param layerNormEpsilon epsilon of every LayerNorm
 * @param padId the token id of padding
 * @param hiddenDropout probability of dropping an element of a hidden state in training, 0 to 1
 * @param attentionDropout probability of dropping an attention weight in training, 0 to 1
 */
public record EncoderSpec(
    Family family,
    int vocabulary,
    int positions,
    int tokenTypes,
    int hidden,
    int layers,
    int heads,
    int feedForward,
    double layerNormEpsilon,
    int padId,
    double hiddenDropout,
    double attentionDropout) {

  /** How positions are numbered: from 0 (BERT), or from {@code padId + 1} (XLM-RoBERTa). */
  public enum Family {
    BERT,
    XLM_ROBERTA
  }

  public EncoderSpec {
    Check.atLeast("vocab_size", vocabulary, 1);
    Check.atLeast("max_position_embeddings", positions, 1);
    Check.atLeast("type_vocab_size", tokenTypes, 1);
    Check.atLeast("hidden_size", hidden, 1);
    Check.atLeast("num_hidden_layers", layers, 1);
    Check.atLeast("num_attention_heads", heads, 1);
    Check.atLeast("intermediate_size", feedForward, 1);
    Check.atLeast("pad_token_id", padId, 0);
    Check.positive("layer_norm_eps", layerNormEpsilon);
    Check.within("hidden_dropout_prob", hiddenDropout, 0, 0.99);
    Check.within("attention_probs_dropout_prob", attentionDropout, 0, 0.99);
    if (hidden % heads != 0) {
      throw new IllegalArgumentException(
          "num_attention_heads: " + heads + " (expected: a divisor of hidden_size " + hidden + ")");
    }
  }

  /** The position id of a text's first token. */
  public int firstPosition() {
    return family == Family.XLM_ROBERTA ? padId + 1 : 0;
  }

  /** The longest text the position table can hold, in tokens with the special ones. */
  public int maxTokens() {
    return positions - firstPosition();
  }

  /** The same encoder with other dropout probabilities. */
  public EncoderSpec withDropout(double hiddenProbability, double attentionProbability) {
    return new EncoderSpec(
        family,
        vocabulary,
        positions,
        tokenTypes,
        hidden,
        layers,
        heads,
        feedForward,
        layerNormEpsilon,
        padId,
        hiddenProbability,
        attentionProbability);
  }
}
