package org.dunlin.conf.settings;

import java.math.BigDecimal;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dunlin.data.checkpoint.FolderName;
import org.dunlin.protocol.run.MicroBatchLimit;

/**
 * One key and the form of its value.
 *
 * @param name as in the reference file
 * @param expected what a value must be, in words
 * @param reader makes a value of what the configuration holds; empty if it does not fit
 * @param plain the way back
 */
record Key<T>(
    String name, String expected, Function<Object, Optional<T>> reader, Function<T, Object> plain) {

  // Nine digits fit into an int.
  private static final Pattern LIMIT = Pattern.compile("([1-9]\\d{0,8}):([1-9]\\d{0,8})");

  static Key<Boolean> flag(String name) {
    return new Key<>(
        name,
        "true or false",
        held ->
            switch (String.valueOf(held)) {
              case "true" -> Optional.of(true);
              case "false" -> Optional.of(false);
              default -> Optional.empty();
            },
        value -> value);
  }

  static Key<Long> whole(String name, long least, long most) {
    String range =
        most == Long.MAX_VALUE || most == Integer.MAX_VALUE
            ? least == Long.MIN_VALUE ? "" : ", >= " + least
            : ", " + least + " to " + most;
    return new Key<>(
        name,
        "a whole number" + range,
        held -> number(held).flatMap(Key::exactly).filter(value -> value >= least && value <= most),
        value -> value);
  }

  static Key<Double> number(String name, double least, double most) {
    return new Key<>(
        name,
        "a number" + (least == -Double.MAX_VALUE ? "" : ", " + least + " to " + most),
        held ->
            number(held)
                .map(BigDecimal::doubleValue)
                .filter(value -> value >= least && value <= most),
        value -> value);
  }

  static Key<Double> positive(String name) {
    Key<Double> any = number(name);
    return new Key<>(
        name, "a number > 0", held -> any.reader.apply(held).filter(value -> value > 0), any.plain);
  }

  /** A number whose range is checked where it is used. */
  static Key<Double> number(String name) {
    return number(name, -Double.MAX_VALUE, Double.MAX_VALUE);
  }

  static Key<String> oneOf(String name, String... words) {
    List<String> all = List.of(words);
    return new Key<>(
        name,
        String.join(", ", all.subList(0, all.size() - 1)) + " or " + all.get(all.size() - 1),
        held -> textOf(held).filter(all::contains),
        value -> value);
  }

  /** Any text, also an empty one. */
  static Key<String> text(String name) {
    return new Key<>(name, "a text", Key::textOf, value -> value);
  }

  /** Texts; a single one is a list of one. */
  static Key<List<String>> texts(String name) {
    return new Key<>(name, "a list of texts", held -> each(held, Key::textOf), List::copyOf);
  }

  /** A text that may be part of a file's name. */
  static Key<String> fileName(String name) {
    return new Key<>(
        name,
        "letters, digits, '.', '_' and '-', at most 100",
        held -> textOf(held).filter(value -> value.matches("[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")),
        value -> value);
  }

  /** An absolute path, or none where the text is empty. */
  static Key<Optional<Path>> path(String name) {
    return new Key<Path>(name, "a path", held -> path(held, Path::of), Path::toString).or("");
  }

  /** The same of a folder, which a URI of a file system on the class path may name, too. */
  static Key<Optional<Path>> folder(String name) {
    return new Key<Path>(
            name,
            "a path, or a URI of a file system on the class path",
            held -> path(held, FolderName::path),
            FolderName::of)
        .or("");
  }

  /** Absolute paths; a single text is a list of one. */
  static Key<List<Path>> paths(String name) {
    return new Key<>(
        name,
        "a list of paths",
        held ->
            each(held instanceof List<?> ? held : String.valueOf(held), one -> path(one, Path::of)),
        value -> value.stream().map(Path::toString).toList());
  }

  /** Whole numbers; a single one is a list of one. */
  static Key<List<Long>> wholes(String name, long least) {
    Key<Long> each = whole(name, least, Long.MAX_VALUE);
    return new Key<>(
        name,
        "a list of whole numbers, >= " + least,
        held -> each(held, each.reader),
        value -> value);
  }

  /** Limits of micro-batches, each as LENGTH:TOKENS; a single one is a list of one. */
  static Key<List<MicroBatchLimit>> limits(String name) {
    return new Key<>(
        name,
        "a list of LENGTH:TOKENS, both whole numbers > 0",
        held -> each(held, Key::limit),
        limits ->
            limits.stream().map(limit -> limit.minTokens() + ":" + limit.mostTokens()).toList());
  }

  /** Each of a list's values, a single value being a list of one; absent if one is wrong. */
  private static <T> Optional<List<T>> each(Object held, Function<Object, Optional<T>> reader) {
    List<?> all = held instanceof List<?> list ? list : List.of(held);
    List<T> read = all.stream().map(reader).flatMap(Optional::stream).toList();
    return read.size() == all.size() ? Optional.of(read) : Optional.empty();
  }

  private static Optional<MicroBatchLimit> limit(Object held) {
    Matcher found = LIMIT.matcher(String.valueOf(held));
    return found.matches()
        ? Optional.of(
            new MicroBatchLimit(Integer.parseInt(found.group(1)), Integer.parseInt(found.group(2))))
        : Optional.empty();
  }

  /** Allows a word instead of a value: the value is then absent. */
  Key<Optional<T>> or(String word) {
    return new Key<>(
        name,
        word.isEmpty() ? expected : word + " or " + expected,
        held -> {
          Optional<T> value = reader.apply(held);
          return word.equals(held) || value.isPresent() ? Optional.of(value) : Optional.empty();
        },
        value -> value.map(plain).orElse(word));
  }

  private static Optional<String> textOf(Object held) {
    return held instanceof String || held instanceof Number || held instanceof Boolean
        ? Optional.of(held.toString())
        : Optional.empty();
  }

  private static Optional<Path> path(Object held, Function<String, Path> named) {
    try {
      return textOf(held)
          .filter(value -> !value.isBlank())
          .map(value -> named.apply(value).toAbsolutePath().normalize());
    } catch (InvalidPathException e) {
      return Optional.empty();
    }
  }

  private static Optional<BigDecimal> number(Object held) {
    try {
      return held instanceof Number || held instanceof String
          ? Optional.of(new BigDecimal(held.toString()))
          : Optional.empty();
    } catch (NumberFormatException e) {
      return Optional.empty();
    }
  }

  private static Optional<Long> exactly(BigDecimal value) {
    try {
      return Optional.of(value.longValueExact());
    } catch (ArithmeticException e) {
      return Optional.empty();
    }
  }
}
