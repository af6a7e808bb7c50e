package org.dunlin.protocol;

/**
 * The number of one coordinator's incumbency; a worker obeys the highest it has seen.
 *
 * @param number from 1
 */
public record Term(long number) implements Comparable<Term> {
  public Term {
    if (number < 1) {
      throw new IllegalArgumentException("term: " + number + " (expected: >= 1)");
    }
  }

  @Override
  public int compareTo(Term other) {
    return Long.compare(number, other.number);
  }

  @Override
  public String toString() {
    return Long.toString(number);
  }
}
