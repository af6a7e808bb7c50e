package org.dunlin.it.benchmark;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.Seat;
import org.dunlin.worker.collective.DataPlane;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.collective.Exchange.Kind;
import org.dunlin.worker.collective.Partial;
import org.dunlin.worker.collective.SummationTree;
import org.dunlin.worker.collective.Sums;

/**
 * One member's process of {@link CollectivesBenchmark}: says its port, is told all ports, then does
 * what each line asks for and answers with milliseconds.
 */
public final class CollectivesMember {
  private static final String HOST = "127.0.0.1";

  private final Exchange exchange;
  private final SummationTree tree;
  private final ByteBuffer barrier;
  private FloatBuffer own = floats(0);
  private FloatBuffer whole = floats(0);
  private long step;

  private CollectivesMember(Exchange exchange) {
    this.exchange = exchange;
    int members = exchange.members();
    int slots = Integer.highestOneBit(2 * members - 1);
    BitSet empty = new BitSet();
    empty.set(members, slots); // one slot a member
    this.tree = new SummationTree(slots, empty);
    this.barrier = ByteBuffer.allocateDirect(members);
  }

  private static FloatBuffer floats(int count) {
    return ByteBuffer.allocateDirect(count * Float.BYTES)
        .order(ByteOrder.nativeOrder())
        .asFloatBuffer();
  }

  /**
   * Serves until standard input ends.
   *
   * @param arguments this member's number
   */
  public static void main(String[] arguments) throws IOException {
    int member = Integer.parseInt(arguments[0]);
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (DataPlane plane = DataPlane.listen(HOST)) {
      System.out.println(plane.endpoint().port());
      List<Seat> roster = new ArrayList<>();
      for (String port : lines.readLine().split(" ", -1)) {
        WorkerId worker = new WorkerId("w" + roster.size(), 1);
        roster.add(new Seat(worker, new Endpoint(HOST, Integer.parseInt(port)), 0, 0));
      }
      try (Exchange exchange = plane.connect(roster, new Term(1), new Generation(1), member)) {
        CollectivesMember one = new CollectivesMember(exchange);
        System.out.println("ready");
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
          String[] words = line.split(" ", -1);
          System.out.println(one.time(words[0], Integer.parseInt(words[1])));
        }
      }
    }
  }

  private double time(String what, int count) {
    int members = exchange.members();
    int most = what.equals("ag") ? count * members : count;
    if (own.capacity() < count || whole.capacity() < most) {
      own = floats(count);
      whole = floats(most);
    }
    for (int i = 0; i < count; i++) {
      own.put(i, (exchange.member() + 1) * 0.1f);
    }
    step++;
    exchange.allGather(step, Kind.EMBEDDINGS, barrier, bounds(members, 1));
    long startNs = System.nanoTime();
    switch (what) {
      case "ar" -> allReduce(count);
      case "ag" -> exchange.allGather(step, Kind.EMBEDDINGS, whole, bounds(count * members, 1));
      case "one-way" -> exchange.allGather(step, Kind.EMBEDDINGS, whole, oneWay(count));
      case "sum" -> Sums.addInto(own.slice(0, count), whole.slice(0, count));
      default -> throw new IllegalArgumentException(what);
    }
    return (System.nanoTime() - startNs) / 1e6;
  }

  private void allReduce(int count) {
    List<Partial<FloatBuffer>> partials = List.of(new Partial<>(tree.leaf(exchange.member()), own));
    int[] bounds = bounds(count, 16);
    exchange.reduceScatter(step, Kind.GRADIENTS, tree, partials, bounds, whole);
    exchange.allGather(step, Kind.GRADIENTS, whole, bounds);
  }

  private int[] bounds(int count, int alignment) {
    int members = exchange.members();
    int[] bounds = new int[members + 1];
    for (int m = 0; m < members; m++) {
      bounds[m] = (int) ((long) count * m / members) / alignment * alignment;
    }
    bounds[members] = count;
    return bounds;
  }

  // All of it is member 0's.
  private int[] oneWay(int count) {
    int[] bounds = new int[exchange.members() + 1];
    for (int m = 1; m < bounds.length; m++) {
      bounds[m] = count;
    }
    return bounds;
  }

  /** What starts member {@code number} as a process. */
  public static List<String> command(int number) {
    List<String> command = new ArrayList<>();
    Collections.addAll(
        command,
        System.getProperty("java.home") + "/bin/java",
        "-Xmx512m",
        "-XX:MaxDirectMemorySize=8g",
        "--add-exports",
        "java.base/jdk.internal.misc=ALL-UNNAMED",
        "-cp",
        System.getProperty("java.class.path"),
        CollectivesMember.class.getName(),
        Integer.toString(number));
    return command;
  }
}
