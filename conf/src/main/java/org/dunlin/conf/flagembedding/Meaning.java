package org.dunlin.conf.flagembedding;

import java.util.List;

/** What a flag means here. */
sealed interface Meaning {

  /**
   * It sets a key.
   *
   * @param key as {@code dunlin config} prints it
   * @param form how its value is read
   * @param note what a person should know, for the documentation; may be empty
   */
  record Sets(String key, Form form, String note) implements Meaning {}

  /** Part of the batch's size, which is the product of all of these. */
  record Factor(String note) implements Meaning {}

  /**
   * Dunlin always does what some of its values ask for; others are refused.
   *
   * @param values that are taken, in lower case
   * @param why in words that also serve as the refusal's reason
   */
  record Always(List<String> values, String why) implements Meaning {
    /** Whether it is a flag that says True or False, and may say nothing. */
    boolean isSwitch() {
      return values.contains("true") || values.contains("false");
    }
  }

  /**
   * It is refused.
   *
   * @param why the reason, and what to use instead
   */
  record Refused(String why) implements Meaning {}
}
