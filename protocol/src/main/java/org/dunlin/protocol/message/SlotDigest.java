package org.dunlin.protocol.message;

/**
 * What a slot's stages gave, each as a number that differs if a bit of it does. What one stage
 * gives depends on all slots' stages before it, and besides on nothing but the slot's owner.
 *
 * @param slot from 0
 * @param embeddings of its texts
 * @param loss of its rows, with their gradients with respect to all embeddings
 * @param upstream the gradients of its own embeddings, summed over all slots by several members
 * @param gradient of the parameters, before it is added to any other slot's
 */
public record SlotDigest(int slot, long embeddings, long loss, long upstream, long gradient) {
  /** What is computed for a slot, in this order. */
  public enum Stage {
    EMBEDDINGS("embeddings"),
    LOSS("loss"),
    /** The only one that is not its owner's alone. */
    UPSTREAM("sum of embeddings' gradients"),
    GRADIENT("gradient");

    private final String words;

    Stage(String words) {
      this.words = words;
    }

    /** As a person calls it. */
    public String words() {
      return words;
    }
  }

  /** What a stage gave. */
  public long of(Stage stage) {
    return switch (stage) {
      case EMBEDDINGS -> embeddings;
      case LOSS -> loss;
      case UPSTREAM -> upstream;
      case GRADIENT -> gradient;
    };
  }
}
