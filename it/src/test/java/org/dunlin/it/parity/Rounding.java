package org.dunlin.it.parity;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Weights as close to given ones as float32 knows: each stays or moves to a neighbouring float.
 *
 * @param seed 0: each stays
 */
record Rounding(long seed) {
  static final Rounding NONE = new Rounding(0);

  Map<String, float[]> of(Map<String, float[]> weights) {
    SplittableRandom random = new SplittableRandom(seed);
    Map<String, float[]> moved = new LinkedHashMap<>();
    weights.forEach((name, values) -> moved.put(name, of(values, random)));
    return moved;
  }

  private float[] of(float[] values, SplittableRandom random) {
    float[] moved = values.clone();
    for (int i = 0; seed != 0 && i < moved.length; i++) {
      switch (random.nextInt(3)) {
        case 0 -> moved[i] = Math.nextUp(moved[i]);
        case 1 -> moved[i] = Math.nextDown(moved[i]);
        default -> {} // stays
      }
    }
    return moved;
  }
}
