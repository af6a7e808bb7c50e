package org.dunlin.conf.settings;

import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigValueFactory;
import java.util.Map;
import java.util.Optional;
import org.dunlin.protocol.Refusal;

/** Keys that have a flag of their own; a refusal names it. */
public final class Flags {
  public static final String MODEL = "--model";
  public static final String DATA = "--data";
  public static final String OUTPUT = "--output";
  public static final String OVERWRITE = "--overwrite";
  public static final String RESUME = "--resume";
  public static final String ALLOW_CHANGE = "--allow-change";
  public static final String STEPS = "--steps";
  public static final String EPOCHS = "--epochs";
  public static final String BATCH_SIZE = "--batch-size";
  public static final String LEARNING_RATE = "--learning-rate";
  public static final String PROBE = "--probe";
  public static final String TRACE = "--trace";
  public static final String WORKERS = "--workers";
  public static final String HOST = "--host";
  public static final String PORT = "--port";
  public static final String SEED = "--seed";

  /** The key of each flag. */
  public static final Map<String, String> KEYS =
      Map.ofEntries(
          Map.entry(MODEL, Keys.MODEL.name()),
          Map.entry(DATA, Keys.DATA.name()),
          Map.entry(OUTPUT, Keys.OUTPUT.name()),
          Map.entry(OVERWRITE, Keys.OVERWRITE.name()),
          Map.entry(RESUME, Keys.RESUME.name()),
          Map.entry(ALLOW_CHANGE, Keys.ALLOW_CHANGE.name()),
          Map.entry(STEPS, Keys.STEPS.name()),
          Map.entry(EPOCHS, Keys.EPOCHS.name()),
          Map.entry(BATCH_SIZE, Keys.BATCH_SIZE.name()),
          Map.entry(LEARNING_RATE, Keys.LEARNING_RATE.name()),
          Map.entry(PROBE, Keys.PROBE.name()),
          Map.entry(TRACE, Keys.TRACE.name()),
          Map.entry(WORKERS, Keys.WORKERS.name()),
          Map.entry(SEED, Keys.SEED.name()),
          Map.entry(HOST, Keys.CLUSTER_HOST.name()),
          Map.entry(PORT, Keys.CLUSTER_PORT.name()));

  private Flags() {}

  /** The flag that sets a key, if it has one of its own. */
  static Optional<String> setting(String key) {
    return KEYS.entrySet().stream()
        .filter(flag -> flag.getValue().equals(key))
        .map(Map.Entry::getKey)
        .findFirst();
  }

  /** What a flag's key is if nobody sets it; absent where the default needs words. */
  public static Optional<String> defaultValue(String flag) {
    return Optional.ofNullable(KEYS.get(flag))
        .filter(key -> Layers.reference().getValue(key).unwrapped() instanceof Number)
        .map(key -> Layers.reference().getString(key));
  }

  /** A value that a refusal will say came from this flag. */
  public static Object from(String flag, Object value) {
    return ConfigValueFactory.fromAnyRef(value, flag);
  }

  /** What {@code --set key=text} means: a list if it is written as one, else the text itself. */
  public static Object value(String text) {
    if (!text.startsWith("[")) {
      return text;
    }
    try {
      return Layers.parse("list = " + text).getList("list").unwrapped();
    } catch (ConfigException e) {
      throw Refusal.usage("--set: " + text + " (expected: a list as [\"a\", \"b\"])");
    }
  }
}
