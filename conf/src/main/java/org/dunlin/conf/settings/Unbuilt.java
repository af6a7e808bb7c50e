package org.dunlin.conf.settings;

import java.util.List;
import java.util.Map;

/**
 * Keys whose part this build does not have yet. To take a value and do nothing with it would train
 * another model than the person asked for, so anything but the default is refused.
 */
final class Unbuilt {
  private static final List<Key<?>> KEYS = List.of(Keys.PRECISION);

  private Unbuilt() {}

  static void refuse(Layers layers, Map<Key<?>, Object> values) {
    for (Key<?> key : KEYS) {
      refuse(layers, key, values.get(key));
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
