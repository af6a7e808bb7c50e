package org.dunlin.protocol;

/**
 * The number of one assignment of slots to members; any change of members makes a new one.
 *
 * @param number from 1; 0 means that nothing has been assigned yet
 */
public record Generation(long number) implements Comparable<Generation> {
  public Generation {
    if (number < 0) {
      throw new IllegalArgumentException("generation: " + number + " (expected: >= 0)");
    }
  }

  public Generation next() {
    return new Generation(number + 1);
  }

  @Override
  public int compareTo(Generation other) {
    return Long.compare(number, other.number);
  }

  @Override
  public String toString() {
    return Long.toString(number);
  }
}
