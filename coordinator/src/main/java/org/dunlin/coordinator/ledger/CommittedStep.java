package org.dunlin.coordinator.ledger;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import org.dunlin.data.model.Sha256;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;

/**
 * A step that is final, as the ledger has it.
 *
 * @param step from 0
 * @param epoch from 0
 * @param term of the coordinator that committed it
 * @param generation whose members agreed
 * @param checksum of the reduced gradient
 * @param sampleIds in the batch's order; not to be changed
 */
public record CommittedStep(
    long step, int epoch, Term term, Generation generation, long checksum, long[] sampleIds) {

  /** Equal for equal content, whoever committed it: the first 8 bytes of a SHA-256. */
  long content() {
    return content(checksum);
  }

  /** The same but for the gradient. */
  long samples() {
    return content(0);
  }

  private long content(long gradient) {
    MessageDigest digest = Sha256.digest();
    ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES * (2 + sampleIds.length));
    bytes.putLong(epoch).putLong(gradient);
    bytes.asLongBuffer().put(sampleIds);
    return ByteBuffer.wrap(digest.digest(bytes.array())).getLong();
  }
}
