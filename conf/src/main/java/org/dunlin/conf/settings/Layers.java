package org.dunlin.conf.settings;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigSyntax;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueFactory;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeSet;
import org.dunlin.data.checkpoint.FolderName;
import org.dunlin.protocol.Refusal;

/** Reference, file and flags laid over each other, read key by key; gathers all that is wrong. */
final class Layers {
  static final String REFERENCE = "dunlin-reference.conf";

  private final Config config;
  private final List<String> wrong = new ArrayList<>();

  private Layers(Config config) {
    this.config = config;
  }

  /**
   * @param file what lies between the reference and the overrides
   * @param overrides by key: a plain value, a path, a list of these, or a {@link ConfigValue} that
   *     knows where it comes from
   */
  static Layers of(Config file, Map<String, ?> overrides) {
    try {
      Config flags = ConfigFactory.empty();
      for (Map.Entry<String, ?> override : overrides.entrySet()) {
        flags = flags.withValue(override.getKey(), held(override.getKey(), override.getValue()));
      }
      Layers layers = new Layers(flags.withFallback(file).withFallback(reference()).resolve());
      layers.refuseUnknownKeys();
      return layers;
    } catch (ConfigException e) {
      throw Refusal.usage("the configuration cannot be read: " + oneLine(e));
    }
  }

  static Config reference() {
    return ConfigFactory.parseResources(Layers.class.getClassLoader(), REFERENCE);
  }

  static String referenceText() {
    try (InputStream in = Layers.class.getClassLoader().getResourceAsStream(REFERENCE)) {
      return new String(Objects.requireNonNull(in, REFERENCE).readAllBytes(), UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Config parse(Path file) {
    if (!Files.isReadable(file) || Files.isDirectory(file)) {
      throw Refusal.usage(file + ": no such file (expected: a configuration file)");
    }
    try {
      return ConfigFactory.parseFile(
          file.toFile(), ConfigParseOptions.defaults().setAllowMissing(false));
    } catch (ConfigException e) {
      throw Refusal.usage("the configuration cannot be read: " + oneLine(e));
    }
  }

  static Config parse(String hocon) {
    return ConfigFactory.parseString(
        hocon, ConfigParseOptions.defaults().setSyntax(ConfigSyntax.CONF));
  }

  /** Reads one key; absent if its value is wrong, which {@link #refuseWrong} will say. */
  <T> Optional<T> read(Key<T> key) {
    ConfigValue value = value(key.name());
    Optional<T> read = key.reader().apply(value.unwrapped());
    if (read.isEmpty()) {
      wrong(
          key.name(),
          "%s: %s (expected: %s)"
              .formatted(key.name(), value.render(ConfigRenderOptions.concise()), key.expected()));
    }
    return read;
  }

  /** Notes what a check of values together has to say; the sentence begins with the key. */
  void check(Runnable check) {
    try {
      check.run();
    } catch (IllegalArgumentException e) {
      String sentence = String.valueOf(e.getMessage());
      wrong(sentence.split(":", 2)[0], sentence);
    }
  }

  /** Refuses all wrong values at once, a line each. */
  void refuseWrong() {
    if (!wrong.isEmpty()) {
      throw Refusal.usage(String.join(System.lineSeparator(), wrong));
    }
  }

  private void wrong(String key, String sentence) {
    wrong.add(sentence + ", from " + origin(value(key).origin()));
  }

  /** Also finds a value that is null or a group, which is as wrong as any other. */
  private ConfigValue value(String key) {
    ConfigValue value = config.root();
    for (String part : ConfigUtil.splitPath(key)) {
      value = ((Map<?, ?>) value).get(part) instanceof ConfigValue inner ? inner : value;
    }
    return value;
  }

  private void refuseUnknownKeys() {
    Map<String, Key<?>> known = new HashMap<>();
    Keys.ALL.forEach(key -> known.put(key.name(), key));
    config.entrySet().stream()
        .filter(entry -> !known.containsKey(entry.getKey()))
        .forEach(
            entry ->
                wrong.add(
                    "%s: no such key (%s), from %s"
                        .formatted(
                            entry.getKey(),
                            Spelling.nearest(entry.getKey(), new TreeSet<>(known.keySet()))
                                .map(near -> "did you mean " + near + "?")
                                .orElse("`dunlin config` prints all"),
                            origin(entry.getValue().origin()))));
    refuseWrong();
  }

  private static ConfigValue held(String key, Object value) {
    if (value instanceof ConfigValue given) {
      return given;
    }
    Object plain =
        switch (value) {
          case Path path -> FolderName.of(path);
          case List<?> list ->
              list.stream().map(e -> e instanceof Path path ? FolderName.of(path) : e).toList();
          default -> value;
        };
    return ConfigValueFactory.fromAnyRef(plain, Flags.setting(key).orElse("--set " + key));
  }

  private static String origin(ConfigOrigin origin) {
    String name = origin.filename() == null ? origin.description() : origin.filename();
    return origin.filename() == null || origin.lineNumber() < 0
        ? name
        : name + ":" + origin.lineNumber();
  }

  private static String oneLine(ConfigException e) {
    return String.valueOf(e.getMessage()).replaceAll("\\s+", " ");
  }
}
