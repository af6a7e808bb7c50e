package org.dunlin.conf.settings;

import java.util.List;
import java.util.Map;

/**
 * Keys whose part this build does not have yet. To take a value and do nothing with it would train
 * another model than the person asked for, so anything but the default is refused.
 */
final class Unbuilt {
  private static final List<Key<?>> KEYS =
      List.of(
          Keys.UNIFIED,
          Keys.COLBERT_DIM,
          Keys.FIX_ENCODER,
          Keys.FIX_POSITIONS,
          Keys.ACCUMULATION,
          Keys.MICRO_BATCH_ROWS,
          Keys.CHECKPOINTING,
          Keys.PRECISION,
          Keys.SELF_DISTILLATION,
          Keys.SELF_DISTILLATION_START);

  private Unbuilt() {}

  static void refuse(Layers layers, Map<Key<?>, Object> values) {
    for (Key<?> key : KEYS) {
      refuse(layers, key, values.get(key));
    }
    if ("cosine".equals(values.get(Keys.SCHEDULE))) {
      layers.check(
          () -> {
            throw new IllegalArgumentException(
                "optimizer.schedule: cosine (expected: linear or constant, because this build has no other)");
          });
    }
  }

  private static <T> void refuse(Layers layers, Key<T> key, Object value) {
    Object plain = Layers.reference().getValue(key.name()).unwrapped();
    Object standard = key.reader().apply(plain).orElseThrow();
    if (value != null && !value.equals(standard)) {
      layers.check(
          () -> {
            throw new IllegalArgumentException(
                "%s: %s (expected: %s, because this build cannot do it yet)"
                    .formatted(key.name(), value, plain));
          });
    }
  }
}
