package org.dunlin.it.simulation;

import java.lang.reflect.RecordComponent;
import java.util.Arrays;

/** A record with one component of another value. */
final class Changed {
  private Changed() {}

  static <R extends Record> R of(R record, String component, Object value) {
    RecordComponent[] components = record.getClass().getRecordComponents();
    Class<?>[] types =
        Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
    Object[] values = new Object[components.length];
    boolean found = false;
    try {
      for (int c = 0; c < values.length; c++) {
        boolean other = components[c].getName().equals(component);
        values[c] = other ? value : components[c].getAccessor().invoke(record);
        found |= other;
      }
      if (!found) {
        throw new IllegalArgumentException(record.getClass() + " has no " + component);
      }
      @SuppressWarnings("unchecked")
      R changed = (R) record.getClass().getDeclaredConstructor(types).newInstance(values);
      return changed;
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }
}
