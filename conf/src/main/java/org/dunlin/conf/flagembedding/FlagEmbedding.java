package org.dunlin.conf.flagembedding;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.dunlin.protocol.Refusal;

/**
 * Reads FlagEmbedding's flags off a command line, with or without {@code torchrun ... -m MODULE}
 * before them. Flags that the table does not know stay where they are.
 *
 * <p>A command with {@code --model_name_or_path} or {@code --train_data} is FlagEmbedding's, and
 * what it does not say has FlagEmbedding's defaults. Single flags in a command of Dunlin's own set
 * their keys and nothing else.
 */
public final class FlagEmbedding {
  private static final String MODULES = "FlagEmbedding.finetune.embedder.encoder_only.";
  private static final List<String> KNOWN_MODULES =
      List.of(MODULES + "m3", MODULES + "base", "FlagEmbedding.BGE_M3.run");
  private static final List<String> LAUNCHERS = List.of("torchrun", "python", "python3");
  private static final int HF_BATCH = 8;

  private final List<String> rest = new ArrayList<>();
  private final Map<String, List<String>> given = new LinkedHashMap<>();
  private final Map<String, Object> overrides = new LinkedHashMap<>();
  private final Map<String, String> flags = new LinkedHashMap<>();
  private final List<String> lines = new ArrayList<>();
  private final List<String> wrong = new ArrayList<>();

  private FlagEmbedding() {}

  /** What the arguments of {@code dunlin train} say; all refused flags are in one Refusal. */
  public static Understood understand(List<String> arguments) {
    FlagEmbedding reading = new FlagEmbedding();
    reading.split(arguments);
    return reading.understand();
  }

  private void split(List<String> arguments) {
    int at = 0;
    while (at < arguments.size()) {
      String argument = arguments.get(at++);
      int equals = argument.indexOf('=');
      String flag = known(equals < 0 ? argument : argument.substring(0, equals));
      if (at == 1 && LAUNCHERS.contains(argument)) {
        continue;
      }
      if (argument.equals("-m") && at < arguments.size()) {
        module(arguments.get(at++));
      } else if (flag.isEmpty()) {
        rest.add(argument);
      } else {
        List<String> values = new ArrayList<>();
        if (equals >= 0) {
          values.add(argument.substring(equals + 1));
        }
        int most = equals >= 0 ? 0 : isList(flag) ? Integer.MAX_VALUE : 1;
        while (values.size() < most && at < arguments.size() && isValue(flag, arguments.get(at))) {
          values.add(arguments.get(at++));
        }
        if (given.put(flag, values) != null) {
          throw Refusal.usage(flag + ": given twice (expected: once)");
        }
      }
    }
  }

  /** The table's name of a flag, which may be typed with hyphens; empty if it has none. */
  private static String known(String argument) {
    String flag = argument.startsWith("--") ? "--" + argument.substring(2).replace('-', '_') : "";
    boolean own = org.dunlin.conf.settings.Flags.KEYS.containsKey(argument);
    return !own && FlagTable.ALL.containsKey(flag) ? flag : "";
  }

  private static boolean isList(String flag) {
    return FlagTable.ALL.get(flag) instanceof Meaning.Sets sets && sets.form() == Form.PATHS;
  }

  /** A flag that is a truth value or always so may stand alone, before a file's name, too. */
  private static boolean isValue(String flag, String next) {
    if (next.startsWith("--")) {
      return false;
    }
    return switch (FlagTable.ALL.get(flag)) {
      case Meaning.Sets sets -> sets.form() != Form.TRUTH || !looksLikePath(next);
      case Meaning.Always always -> Form.isTruth(next) || !always.isSwitch();
      case Meaning.Factor factor -> true;
      case Meaning.Refused refused -> true;
    };
  }

  private static boolean looksLikePath(String text) {
    return text.contains("/") || text.contains(".");
  }

  private void module(String name) {
    if (!KNOWN_MODULES.contains(name)) {
      throw Refusal.usage(
          "-m %s (expected: %s; other trainers are not imitated)"
              .formatted(name, String.join(" or ", KNOWN_MODULES)));
    }
    lines.add("-m " + name + ": dunlin train");
  }

  private Understood understand() {
    boolean whole = given.containsKey("--model_name_or_path") || given.containsKey("--train_data");
    given.forEach(this::flag);
    batch(whole);
    distillation();
    precision();
    matryoshka();
    if (!wrong.isEmpty()) {
      throw Refusal.usage(String.join(System.lineSeparator(), wrong));
    }
    Map<String, String> defaults = new LinkedHashMap<>(whole ? FlagTable.DEFAULTS : Map.of());
    defaults.keySet().removeAll(overrides.keySet());
    if (!defaults.isEmpty()) {
      lines.add("FlagEmbedding's defaults, where nothing else is said: " + words(defaults));
    }
    return new Understood(rest, overrides, flags, defaults, lines);
  }

  private void flag(String flag, List<String> values) {
    switch (FlagTable.ALL.get(flag)) {
      case Meaning.Sets sets -> {
        if (values.isEmpty() && sets.form() != Form.TRUTH) {
          wrong.add(flag + ": no value (expected: one for " + sets.key() + ")");
        } else if (!isCombined(flag)) {
          set(flag, sets.key(), sets.form().value(flag, values));
        }
      }
      case Meaning.Factor factor -> {
        if (values.isEmpty()) {
          wrong.add(flag + ": no value (expected: a whole number)");
        }
      }
      case Meaning.Always always -> {
        String value = values.isEmpty() && always.isSwitch() ? "true" : String.join(" ", values);
        String canonical =
            always.isSwitch() && Form.isTruth(value)
                ? Boolean.toString(Form.truth(flag, value))
                : value.toLowerCase(Locale.ROOT);
        if (always.values().contains(canonical)) {
          lines.add("%s %s: %s".formatted(flag, value, always.why()));
        } else {
          wrong.add(
              "%s: %s (expected: %s): %s"
                  .formatted(flag, value, String.join(" or ", always.values()), always.why()));
        }
      }
      case Meaning.Refused refused -> wrong.add(flag + ": " + refused.why());
    }
  }

  private static boolean isCombined(String flag) {
    return flag.equals(FlagTable.DISTILLS)
        || flag.equals(FlagTable.DISTILLATION_LOSS)
        || flag.equals(FlagTable.FP16)
        || flag.equals(FlagTable.BF16)
        || flag.endsWith("_mrl")
        || flag.equals("--mrl_dims");
  }

  private void set(String flag, String key, Object value) {
    String before = flags.put(key, flag);
    if (before != null) {
      wrong.add("%s: sets %s, as %s does (expected: one of them)".formatted(flag, key, before));
    }
    overrides.put(key, value);
    lines.add(
        "%s %s: %s = %s"
            .formatted(flag, String.join(" ", given.get(flag)), key, value)
            .replace(" : ", ": "));
  }

  /** The batch is global: what a device gets, times the devices. */
  private void batch(boolean whole) {
    List<String> factors =
        List.of(FlagTable.BATCH, FlagTable.WORLD, FlagTable.PROCESSES, FlagTable.NODES);
    if (!whole && factors.stream().noneMatch(given::containsKey)) {
      return;
    }
    int device = factor(FlagTable.BATCH, HF_BATCH);
    int launched = factor(FlagTable.PROCESSES, 1) * factor(FlagTable.NODES, 1);
    int devices = factor(FlagTable.WORLD, launched);
    overrides.put("batch.size", Math.multiplyExact(device, devices));
    overrides.put("batch.devices", devices);
    flags.put("batch.size", FlagTable.BATCH);
    flags.put("batch.devices", FlagTable.WORLD);
    lines.add(
        "batch.size = %d x %d = %d: per_device_train_batch_size x world_size; the batch is global, whatever workers there are"
            .formatted(device, devices, device * devices));
  }

  private int factor(String flag, int otherwise) {
    List<String> values = given.getOrDefault(flag, List.of());
    if (values.isEmpty()) {
      return otherwise;
    }
    if (!values.get(0).matches("[1-9][0-9]{0,5}")) {
      wrong.add(flag + ": " + values.get(0) + " (expected: a whole number from 1)");
      return otherwise;
    }
    return Integer.parseInt(values.get(0));
  }

  private void distillation() {
    String kind = first(FlagTable.DISTILLATION_LOSS, "kl_div");
    String word = Map.of("kl_div", "kl", "m3_kd_loss", "m3").getOrDefault(kind, "");
    if (word.isEmpty()) {
      wrong.add(FlagTable.DISTILLATION_LOSS + ": " + kind + " (expected: kl_div or m3_kd_loss)");
    }
    if (isOn(FlagTable.DISTILLS)) {
      set(FlagTable.DISTILLS, "loss.distillation", word);
    } else if (given.containsKey(FlagTable.DISTILLATION_LOSS)) {
      lines.add(
          "%s %s: used only with %s"
              .formatted(FlagTable.DISTILLATION_LOSS, kind, FlagTable.DISTILLS));
    }
  }

  private void precision() {
    if (isOn(FlagTable.FP16)) {
      set(FlagTable.FP16, "precision", "fp16");
    }
    if (isOn(FlagTable.BF16)) {
      set(FlagTable.BF16, "precision", "bf16");
    }
  }

  private void matryoshka() {
    if (isOn("--use_mrl")) {
      set("--use_mrl", "loss.mrl-dims", given.getOrDefault("--mrl_dims", List.of()));
    }
  }

  private boolean isOn(String flag) {
    return given.containsKey(flag) && Form.truth(flag, first(flag, "True"));
  }

  private String first(String flag, String otherwise) {
    List<String> values = given.getOrDefault(flag, List.of());
    return values.isEmpty() ? otherwise : values.get(0);
  }

  private static String words(Map<String, String> values) {
    return String.join(
        ", ", values.entrySet().stream().map(e -> e.getKey() + " = " + e.getValue()).toList());
  }
}
