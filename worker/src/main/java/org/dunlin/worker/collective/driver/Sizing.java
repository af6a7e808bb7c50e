package org.dunlin.worker.collective.driver;

import java.util.Locale;
import java.util.Optional;

/**
 * How large buffers may be on a machine. Pure.
 *
 * <p>A stream between two members of a host has three terms in shared memory; W members have W (W -
 * 1) streams. Measured: terms that stay in the cache are no slower than large ones, so 4 MiB are
 * the most. Between hosts a window may not be larger than its socket's buffer, or packets are lost.
 */
public final class Sizing {
  /** The largest datagram payload that Aeron takes, 64 KiB less what IP and UDP need. */
  public static final int MOST_MTU_BYTES = 65_504;

  private static final int MIB = 1 << 20;

  /** The least term for frames of {@link #MOST_MTU_BYTES}: a frame is at most an eighth of it. */
  private static final int LEAST_TERM_BYTES = 512 << 10;

  private static final int MOST_TERM_BYTES = 4 * MIB;

  /** What the driver itself maps: counters, commands, errors. */
  private static final long DRIVER_BYTES = 16L * MIB;

  private static final int TERMS = 3;
  private static final int WANTED_SOCKET_BYTES = 2 * MIB;
  private static final int MOST_WINDOW_BYTES = 512 << 10;

  /** The least UDP payload: more system calls cost more than the fragments of a larger one. */
  private static final int LEAST_MTU_BYTES = 8_192;

  private static final int UDP_HEADERS = 48; // of IPv6
  private static final int FRAME_ALIGNMENT = 32;

  private Sizing() {}

  /** Bytes of shared memory without which {@code members} of one host cannot meet. */
  static long leastFolderBytes(int members) {
    return DRIVER_BYTES + 2 * streamBytes(members, LEAST_TERM_BYTES);
  }

  private static long streamBytes(int members, long termBytes) {
    return (long) members * (members - 1) * TERMS * termBytes;
  }

  /**
   * The length of a term, or empty where even the least would not fit twice: a new generation's
   * streams exist beside the old one's for a moment.
   */
  public static Optional<Integer> termBytes(long freeBytes, int members) {
    for (int bytes = MOST_TERM_BYTES; bytes >= LEAST_TERM_BYTES; bytes /= 2) {
      if (2 * streamBytes(members, bytes) <= freeBytes) {
        return Optional.of(bytes);
      }
    }
    return Optional.empty();
  }

  /** What to say when a folder is too small, with the mend. */
  public static String tooSmall(String folder, long freeBytes, int members) {
    long least = leastFolderBytes(members);
    return String.format(
        Locale.ROOT,
        "%s has %d MiB free (expected: at least %d MiB for %d members on this host); start the container with --shm-size=%dm, or: mount -o remount,size=%dm /dev/shm",
        folder,
        freeBytes / MIB,
        least / MIB,
        members,
        2 * least / MIB,
        2 * least / MIB);
  }

  /** A socket's buffer where the kernel allows at most {@code limitBytes}. */
  static int socketBytes(long limitBytes) {
    return (int) Math.min(limitBytes, WANTED_SOCKET_BYTES);
  }

  /** What may be under way on one stream between hosts; each has a socket of its own. */
  static int windowBytes(int socketBytes) {
    return Integer.highestOneBit(Math.min(socketBytes, MOST_WINDOW_BYTES));
  }

  /** A sentence where the kernel allows less than is wanted. */
  static Optional<String> socketWarning(String key, long limitBytes) {
    return limitBytes >= WANTED_SOCKET_BYTES
        ? Optional.empty()
        : Optional.of(
            "%s: %d (expected: at least %d, or members on other hosts are served slowly); raise it: sysctl -w %s=%d"
                .formatted(key, limitBytes, WANTED_SOCKET_BYTES, key, WANTED_SOCKET_BYTES));
  }

  /** A sentence where packets between hosts go in fragments, of which one lost costs all. */
  static Optional<String> mtuWarning(String name, int interfaceBytes) {
    int least = LEAST_MTU_BYTES + UDP_HEADERS;
    return interfaceBytes >= least
        ? Optional.empty()
        : Optional.of(
            "the MTU of %s: %d (expected: at least %d, or each packet between hosts goes in %d fragments); where the network takes larger ones: ip link set dev %s mtu 9000"
                .formatted(name, interfaceBytes, least, Math.ceilDiv(least, interfaceBytes), name));
  }

  /**
   * The size of packets between hosts.
   *
   * @param interfaceBytes the network interface's own; what is larger goes in fragments
   */
  static int mtuBytes(int interfaceBytes, int socketBytes) {
    int fitting = Math.min(interfaceBytes - UDP_HEADERS, Math.min(MOST_MTU_BYTES, socketBytes / 2));
    return Math.max(LEAST_MTU_BYTES, fitting) / FRAME_ALIGNMENT * FRAME_ALIGNMENT;
  }
}
