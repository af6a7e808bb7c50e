package org.dunlin.protocol;

/**
 * One life of a worker: a restarted process keeps its name and is another worker.
 *
 * @param name what its launcher calls it, without spaces
 * @param incarnation rises with every start of that name, from 1
 */
public record WorkerId(String name, long incarnation) implements Comparable<WorkerId> {
  public WorkerId {
    if (name.isBlank() || name.contains(" ") || name.contains("#")) {
      throw new IllegalArgumentException("name: '" + name + "' (expected: no blanks, no '#')");
    }
    if (incarnation < 1) {
      throw new IllegalArgumentException("incarnation: " + incarnation + " (expected: >= 1)");
    }
  }

  @Override
  public int compareTo(WorkerId other) {
    int byName = name.compareTo(other.name);
    return byName != 0 ? byName : Long.compare(incarnation, other.incarnation);
  }

  @Override
  public String toString() {
    return name + "#" + incarnation;
  }
}
