package org.dunlin.conf.launch;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.dunlin.protocol.run.ComputeSpec.Precision;

/** What this machine's processor can do, as Linux tells it. */
final class Processor {
  private static final Path CPUINFO = Path.of("/proc/cpuinfo");

  private Processor() {}

  /** A line of advice where a precision makes a run on this machine slower; else empty. */
  static Optional<String> advice(Precision precision) {
    try {
      return advice(precision, Files.readString(CPUINFO));
    } catch (IOException e) {
      return Optional.empty(); // another system, of which nothing is known
    }
  }

  static Optional<String> advice(Precision precision, String cpuinfo) {
    List<String> units =
        switch (precision) {
          case FP32 -> List.of();
          case BF16 -> List.of("amx_bf16", "avx512_bf16", "bf16");
          case FP16 -> List.of("amx_fp16", "avx512_fp16", "asimdhp");
        };
    Set<String> flags =
        cpuinfo
            .lines()
            .filter(line -> line.startsWith("flags") || line.startsWith("Features"))
            .flatMap(line -> Arrays.stream(line.substring(line.indexOf(':') + 1).split(" ")))
            .collect(Collectors.toSet());
    if (units.isEmpty() || flags.isEmpty() || units.stream().anyMatch(flags::contains)) {
      return Optional.empty();
    }
    return Optional.of(
        "precision = %s: this machine's processor has no units for it (expected: one of %s), so a run here is slower than with fp32"
            .formatted(precision.name().toLowerCase(Locale.ROOT), String.join(", ", units)));
  }
}
