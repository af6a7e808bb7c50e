package org.dunlin.protocol.run;

/**
 * How an instruction and a text become one: a form with two {@code {}}, the first for the
 * instruction. A brace that is meant as one is written twice, and {@code \n} is a new line, as in
 * FlagEmbedding's flags.
 *
 * @param form such as <code>Instruct: {}\nQuery: {}</code>
 */
public record TextTemplate(String form) {
  /** The instruction, then the text, with nothing between. */
  public static final TextTemplate JOINED = new TextTemplate("{}{}");

  public TextTemplate {
    if (form.replace("{{", "").replace("}}", "").split("\\{}", -1).length != 3
        || form.replace("{{", "").replace("}}", "").replace("{}", "").matches("(?s).*[{}].*")) {
      throw new IllegalArgumentException(
          "template: '%s' (expected: two {}, the instruction's place and the text's)"
              .formatted(form));
    }
  }

  /** The text as the model gets it. */
  public String apply(String instruction, String text) {
    StringBuilder filled = new StringBuilder();
    String rest = form.replace("\\n", "\n");
    String[] values = {instruction, text};
    int value = 0;
    for (int at = 0; at < rest.length(); at++) {
      String pair = rest.substring(at, Math.min(rest.length(), at + 2));
      if (pair.equals("{}")) {
        filled.append(values[value++]);
        at++;
      } else {
        filled.append(rest.charAt(at));
        at += pair.equals("{{") || pair.equals("}}") ? 1 : 0;
      }
    }
    return filled.toString();
  }
}
