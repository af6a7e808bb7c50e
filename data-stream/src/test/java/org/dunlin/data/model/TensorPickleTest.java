package org.dunlin.data.model;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.Random;
import org.dunlin.data.model.TensorPickle.Fault;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Hostile pickles end in one sentence: no code, no endless work, no memory beyond their length. */
class TensorPickleTest {

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "cos~system~(X!rm -rf~tR. | its pickle wants os.system (expected: only tensors",
        "cbuiltins~eval~. | its pickle wants builtins.eval",
        "ctorch._utils~_rebuild_tensor~. | its pickle wants torch._utils._rebuild_tensor",
        "ctorch~FloatStorage~)R. | its pickle calls a function or storage with arguments",
        "ccollections~OrderedDict~(K1tR. | its pickle calls a function or storage with arguments",
        "(i | its pickle has the opcode 0x69 at byte 1",
        "}q0}0. | its pickle has the opcode 0x30",
        "N. | holds None (expected: a dictionary of tensors)",
        "). | holds a list (expected: a dictionary of tensors)",
        "t. | its pickle is damaged: it ends a tuple that it never began",
        "R. | its pickle is damaged: it takes more values than it makes",
        "}s. | its pickle is damaged: it takes more values than it makes",
        "hA. | its pickle refers to value 65, which it never made",
        ")K1a. | its pickle appends to a list",
        "}K1K1s. | its pickle has a number where a name belongs",
        "K1)b. | its pickle sets attributes of a number",
        "K1Q. | its pickle names a storage in a way that is not known",
        "}( | its pickle is cut short",
        "c | its pickle is cut short",
      })
  void shouldSayWhatIsWrong(String pickle, String sentence) {
    assertFault(pickle.replace('~', '\n').replace("X!", "X\6\0\0\0"), sentence);
  }

  @Test
  void shouldNotBelieveLengths() {
    assertFault("X\u00ff\u00ff\u00ff\u007fabc", "claims a text of 2147483647 bytes where 3 are");
    assertFault("X\u00ff\u00ff\u00ff\u00ffabc", "claims a text of 4294967295 bytes where 3 are");
    assertFault("\u008a\u0009123456789.", "has a number of 9 bytes (expected: up to 8)");
    assertFault("\u008a\u00ff1", "claims a text of 255 bytes where 1 are left");
  }

  @Test
  void shouldNotBelieveShapes() {
    assertFault(tensor("K\0", "K\u0005", "K\1"), "reaches beyond its storage of 4 values");
    assertFault(tensor("K\1", "K\4", "K\1"), "reaches beyond its storage of 4 values");
    assertFault(tensor("K\0", "K\4", "K\2"), "reaches beyond its storage of 4 values");
    assertFault(
        tensor("K\0", "\u008a\u0008\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u007f", "K\2"),
        "reaches beyond its storage of 4 values");
    assertFault(tensor("K\0", "J\u00ff\u00ff\u00ff\u00ff", "K\1"), "a negative size or stride");
  }

  @Test
  void shouldEndOnADictionaryThatHoldsItselfAndOnDeepNesting() {
    assertFault("}q\0X\1\0\0\0ah\0s.", "holds a dictionary under 'a'");
    assertFault("]q\0h\0a.", "holds a list");
    assertFault("(".repeat(100_000) + "t".repeat(100_000) + ".", "holds a list");
    assertFault(")" + "\u0085".repeat(100_000) + ".", "holds a list");
    // Each value twice the one before: expanded it would be 2 to the power of 60.
    assertFault(")q\0" + "h\0h\0\u0086q\0".repeat(60) + ".", "holds a list");
  }

  @Test
  void shouldEndInASentenceWhateverTheBytes() {
    Random random = new Random(5);
    for (int pickle = 0; pickle < 20_000; pickle++) {
      byte[] bytes = new byte[random.nextInt(60)];
      String common = "()]}NKMXqht\u0085\u0086RbQsu.c";
      for (int at = 0; at < bytes.length; at++) {
        bytes[at] =
            random.nextBoolean()
                ? (byte) common.charAt(random.nextInt(common.length()))
                : (byte) random.nextInt();
      }
      try {
        TensorPickle.read(ByteBuffer.wrap(bytes));
      } catch (Fault e) {
        org.assertj.core.api.Assertions.assertThat(e.getMessage())
            .isNotBlank()
            .doesNotContain("\n");
      }
    }
  }

  private static String tensor(String offset, String shape, String stride) {
    return "}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\n"
        + "X\1\0\0\0000X\3\0\0\0cpuK\4tQ"
        + offset
        + "("
        + shape
        + "t("
        + stride
        + "t\u0089NtRs.";
  }

  private static void assertFault(String pickle, String sentence) {
    assertThatThrownBy(() -> TensorPickle.read(ByteBuffer.wrap(pickle.getBytes(ISO_8859_1))))
        .isInstanceOf(Fault.class)
        .hasMessageContaining(sentence);
  }
}
