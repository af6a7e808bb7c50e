package org.dunlin.worker.collective;

import io.aeron.logbuffer.ControlledFragmentHandler;
import io.aeron.logbuffer.Header;
import org.agrona.DirectBuffer;
import org.dunlin.protocol.frame.FrameChecksum;
import org.dunlin.protocol.frame.FrameHeader;
import org.dunlin.worker.collective.FrameCounts.Count;

/** Looks at each frame of one peer's stream, and gives the transfer what it lacks. */
final class Inbox implements ControlledFragmentHandler {
  private final FrameHeader.Origin peer;
  private final Conversation conversation;
  private final FrameCounts counts;
  private final FrameHeader header = new FrameHeader();
  private final FrameChecksum checksum = new FrameChecksum();
  private final Payload payload = new Payload();
  private Transfer transfer;
  private RuntimeException failure;
  private long intactPosition = -1; // a frame left in the stream is not checked again

  /**
   * @param peer what its frames must say
   */
  Inbox(FrameHeader.Origin peer, Conversation conversation, FrameCounts counts) {
    this.peer = peer;
    this.conversation = conversation;
    this.counts = counts;
  }

  /** From now on frames are for this one. */
  void begin(Transfer next) {
    transfer = next;
  }

  /** Throws what a frame led to: Aeron catches what a handler throws. */
  void throwFailure() {
    if (failure != null) {
      throw failure;
    }
  }

  @Override
  public Action onFragment(DirectBuffer buffer, int offset, int length, Header position) {
    return failure == null
        ? look(buffer, offset, length, position == null ? -1 : position.position())
        : Action.ABORT;
  }

  private Action look(DirectBuffer buffer, int offset, int length, long position) {
    if (!isIntact(buffer, offset, length, position)) {
      counts.add(Count.CORRUPT, 1);
      conversation.foundDamage();
      return Action.COMMIT;
    }
    if (header.term() != peer.term()
        || header.generation() != peer.generation()
        || header.sender() != peer.sender()) {
      counts.add(Count.STALE, 1);
      return Action.COMMIT;
    }
    conversation.heard(header.wantedTransfer(), header.wantedIndex(), header.damaged());
    if (header.kind() == FrameHeader.KIND_STATUS) {
      return Action.COMMIT;
    }
    return switch (conversation.arrived(header.transfer(), header.index())) {
      case TAKE -> take(buffer, offset);
      case EARLY -> Action.ABORT;
      case REPEATED -> drop(Count.REPEATED);
      case SKIPPED -> drop(Count.SKIPPED);
    };
  }

  private boolean isIntact(DirectBuffer buffer, int offset, int length, long position) {
    if (length < FrameHeader.BYTES) {
      return false;
    }
    header.wrap(buffer, offset);
    payload.wrap(buffer, offset, length);
    if (position >= 0 && position == intactPosition) {
      return true;
    }
    boolean isIntact = checksum.isIntact(header, payload.memory(), payload.at(), length);
    intactPosition = isIntact ? position : -1;
    return isIntact;
  }

  private Action drop(Count count) {
    counts.add(count, 1);
    return Action.COMMIT;
  }

  private Action take(DirectBuffer buffer, int offset) {
    int index = header.index();
    try {
      if (header.kind() != transfer.kind().code() || header.step() != transfer.step()) {
        throw new IllegalStateException(
            "%s (expected: %s, step=%d)".formatted(header, transfer.kind(), transfer.step()));
      }
      payload.wrap(buffer, offset + FrameHeader.BYTES, header.length());
      if (!transfer.take(peer.sender(), index, header, payload)) {
        return Action.ABORT;
      }
      conversation.took(index + 1 == transfer.framesFrom(peer.sender()));
      return Action.COMMIT;
    } catch (RuntimeException e) {
      failure = e;
      return Action.ABORT;
    }
  }
}
