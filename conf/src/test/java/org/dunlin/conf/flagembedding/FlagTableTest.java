package org.dunlin.conf.flagembedding;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.dunlin.conf.settings.Settings;
import org.junit.jupiter.api.Test;

/** The table, the keys and the page in the documentation say the same. */
class FlagTableTest {
  private static final Path PAGE = Path.of("../docs/flagembedding.md");
  private static final String BEGIN = "<!-- table: FlagTable -->\n";

  @Test
  void shouldSetOnlyKeysThatThereAre() {
    String all = Settings.load(Optional.empty(), java.util.Map.of()).render();
    Set<String> keys =
        all.lines().map(line -> line.substring(0, line.indexOf(" = "))).collect(Collectors.toSet());
    for (Meaning meaning : FlagTable.ALL.values()) {
      if (meaning instanceof Meaning.Sets sets) {
        assertThat(keys).contains(sets.key());
      }
    }
    assertThat(keys).containsAll(FlagTable.DEFAULTS.keySet());
  }

  @Test
  void shouldGiveAReasonForWhatItRefuses() {
    FlagTable.ALL.forEach(
        (flag, meaning) -> {
          assertThat(flag).matches("--[a-z0-9_]+");
          if (meaning instanceof Meaning.Refused refused) {
            assertThat(refused.why().length()).as(flag).isGreaterThan(20);
          } else if (meaning instanceof Meaning.Always always) {
            assertThat(always.why().length()).as(flag).isGreaterThan(20);
          }
        });
  }

  /** To renew the page: put what this test expects under its mark. */
  @Test
  void shouldBeThePageInTheDocumentation() throws Exception {
    String page = Files.readString(PAGE);
    assertThat(page.substring(page.indexOf(BEGIN) + BEGIN.length())).isEqualTo(FlagTable.page());
  }
}
