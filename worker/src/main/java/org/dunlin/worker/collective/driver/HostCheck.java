package org.dunlin.worker.collective.driver;

import java.io.IOException;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.dunlin.protocol.Refusal;

/**
 * What members will find on this host, looked at before they meet: a sentence for all that makes
 * them slow, and a {@link Refusal} for what stops them, each with the value, the limit and the
 * mend. Starts nothing and keeps nothing.
 */
public final class HostCheck {
  private HostCheck() {}

  /**
   * Shared memory and the clock.
   *
   * @param members of a run that may be on this host
   * @throws Refusal where the host has no room for them, or its clock is of no use
   */
  public static List<String> forMembers(int members) {
    List<String> sentences = new ArrayList<>();
    if (members > 1) {
      sharedMemory(HostDriver.SHARED_MEMORY, HostDriver.temporary(), members)
          .ifPresent(sentences::add);
    }
    sentences.addAll(Clock.sentences());
    return sentences;
  }

  /**
   * What other hosts are reached through.
   *
   * @param host name or address under which they reach this one
   */
  public static List<String> forOtherHosts(String host) {
    List<String> sentences = new ArrayList<>();
    for (KernelLimit limit : KernelLimit.values()) {
      limit.warning().ifPresent(sentences::add);
    }
    try {
      NetworkInterface own = NetworkInterface.getByInetAddress(InetAddress.getByName(host));
      if (own != null) {
        Sizing.mtuWarning(own.getName(), own.getMTU()).ifPresent(sentences::add);
      }
    } catch (IOException e) {
      // An address of this host that the kernel does not know: nothing is known of the way.
    }
    return sentences;
  }

  /** A sentence where the second folder must do; the driver then takes that one too. */
  static Optional<String> sharedMemory(Path first, Path second, int members) {
    try {
      long least = Sizing.leastFolderBytes(members);
      boolean isThere = Files.isDirectory(first);
      long free = isThere ? Files.getFileStore(first).getUsableSpace() : 0;
      if (free >= least) {
        return Optional.empty();
      }
      String sentence = Sizing.tooSmall(first.toString(), free, members);
      long others = Files.getFileStore(second).getUsableSpace();
      if (others >= least) {
        return Optional.of(sentence + "; until then " + second + ", which may be slower, is used");
      }
      throw Refusal.run(isThere ? sentence : Sizing.tooSmall(second.toString(), others, members));
    } catch (IOException e) {
      throw Refusal.run("shared memory cannot be looked at: " + e.getMessage(), e);
    }
  }
}
