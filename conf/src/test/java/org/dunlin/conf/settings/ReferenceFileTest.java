package org.dunlin.conf.settings;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigValue;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The reference file and the declared keys say the same, and a person is told why. */
class ReferenceFileTest {

  @Test
  void shouldHoldExactlyTheDeclaredKeys() {
    Set<String> declared = Keys.ALL.stream().map(Key::name).collect(Collectors.toSet());
    Set<String> written =
        Layers.reference().entrySet().stream().map(Map.Entry::getKey).collect(Collectors.toSet());

    assertThat(written).isEqualTo(declared);
    assertThat(Keys.ALL).hasSameSizeAs(declared);
  }

  @Test
  void shouldExplainEveryKeyInAParagraphOfItsOwn() {
    Set<String> unexplained = new TreeSet<>();
    for (Map.Entry<String, ConfigValue> entry : Layers.reference().entrySet()) {
      String words = String.join(" ", entry.getValue().origin().comments()).strip();
      if (words.length() < 40 || !words.endsWith(".")) {
        unexplained.add(entry.getKey());
      }
    }

    assertThat(unexplained).isEmpty();
  }

  @Test
  void shouldNameTheFlagOfEachKeyThatHasOne() {
    Flags.KEYS.forEach(
        (flag, key) ->
            assertThat(String.join(" ", Layers.reference().getValue(key).origin().comments()))
                .as(key)
                .contains("Flag: " + flag + "."));
  }

  @Test
  void shouldPrintWithinTheWidthOfAPage() {
    assertThat(Settings.reference().lines()).allMatch(line -> line.length() <= 100);
  }
}
