package org.dunlin.worker.collective;

import io.aeron.ExclusivePublication;
import io.aeron.Publication;
import io.aeron.Subscription;
import io.aeron.logbuffer.BufferClaim;
import java.util.Objects;
import org.agrona.MutableDirectBuffer;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.frame.FrameChecksum;
import org.dunlin.protocol.frame.FrameHeader;
import org.dunlin.worker.collective.FrameCounts.Count;

/**
 * The pair of streams between this member and one peer. Never blocks; one thread at a time moves
 * it. Frames are written straight into the stream's memory, and read there.
 */
final class Link implements AutoCloseable {
  // So that sending and receiving take turns while both can go on.
  private static final int TURN = 8;

  private final int member;
  private final WorkerId peer;
  private final FrameHeader.Origin own;
  private final ExclusivePublication out;
  private final Subscription in;
  private final Watch watch;
  private final FrameCounts counts;
  private final Conversation conversation = new Conversation();
  private final Inbox inbox;
  private final BufferClaim claim = new BufferClaim();
  private final Payload payload = new Payload();
  private final FrameChecksum checksum = new FrameChecksum();
  private final Piece piece = new Piece();
  private Transfer transfer;
  private Watch.Question heard;
  private long sent;
  private int highest; // index after the last that was sent for the first time

  /**
   * @param member the peer's number
   * @param own what the frames of this member say
   * @param watch carries questions beside the streams
   */
  Link(
      int member,
      WorkerId peer,
      FrameHeader.Origin own,
      ExclusivePublication out,
      Subscription in,
      Watch watch,
      FrameCounts counts) {
    this.member = member;
    this.peer = peer;
    this.own = own;
    this.out = out;
    this.in = in;
    this.watch = watch;
    this.counts = counts;
    this.inbox =
        new Inbox(
            new FrameHeader.Origin(own.term(), own.generation(), member), conversation, counts);
  }

  int member() {
    return member;
  }

  WorkerId peer() {
    return peer;
  }

  void begin(Transfer next) {
    transfer = next;
    highest = 0;
    inbox.begin(next);
    conversation.begin(next.framesTo(member), next.framesFrom(member));
  }

  /** Whether neither of the two lacks anything of the transfer. */
  boolean isDone() {
    return conversation.isDone();
  }

  /** The peer has ended, after so many whole transfers. */
  void peerCompleted(int transfers) {
    conversation.heard(transfers + 1, 0, 0);
  }

  /** Sends what the stream takes, and receives what is there; gives how many frames moved. */
  int move() {
    int moved = receive();
    for (int turn = 0; turn < TURN && conversation.hasNext() && sendNext(); turn++) {
      moved++;
    }
    return moved + tell();
  }

  /** Receives what is there, and answers; sends no data. */
  int receive() {
    Watch.Question question = watch.question(member);
    if (!Objects.equals(question, heard)) {
      heard = question;
      conversation.heard(question.transfer(), question.index(), question.damaged());
    }
    int received = in.controlledPoll(inbox, TURN);
    inbox.throwFailure();
    return received;
  }

  /** Asks a peer for what was damaged, and answers one that waits for it. */
  int tell() {
    if (conversation.mustAsk()
        && watch.ask(
            member,
            conversation.lackingTransfer(),
            conversation.lackingIndex(),
            conversation.damaged())) {
      conversation.asked();
    }
    if (!conversation.mustTell() || !claim(0)) {
      return 0;
    }
    commit(FrameHeader.KIND_STATUS, 0, 0, 0, 0, 0);
    conversation.told();
    return 1;
  }

  private boolean sendNext() {
    int index = conversation.next();
    if (!transfer.isReady(index)) {
      return false;
    }
    transfer.locate(member, index, piece);
    if (!claim(piece.length())) {
      return false;
    }
    try {
      payload.wrap(claim.buffer(), claim.offset() + FrameHeader.BYTES, piece.length());
      piece.words().copyTo(payload, piece.offset());
    } catch (RuntimeException e) {
      claim.abort();
      throw e;
    }
    commit(
        transfer.kind().code(),
        transfer.step(),
        index,
        piece.node(),
        piece.offset(),
        piece.length());
    conversation.sent();
    if (index < highest) {
      counts.add(Count.RESENT, 1);
    }
    highest = Math.max(highest, index + 1);
    return true;
  }

  private boolean claim(int payloadBytes) {
    long position = out.tryClaim(FrameHeader.BYTES + payloadBytes, claim);
    if (position == Publication.MAX_POSITION_EXCEEDED) {
      throw new IllegalStateException("the stream to worker " + peer + " is at its end");
    }
    return position > 0;
  }

  private void commit(int kind, long step, int index, int node, long offset, int length) {
    MutableDirectBuffer buffer = claim.buffer();
    int at = claim.offset();
    FrameHeader.write(
        buffer, at, own, kind, step, conversation.transfer(), index, node, offset, length);
    FrameHeader.writeStanding(
        buffer,
        at,
        conversation.lackingTransfer(),
        conversation.lackingIndex(),
        conversation.damaged(),
        ++sent);
    payload.wrap(buffer, at, FrameHeader.BYTES + length);
    FrameHeader.writeChecksum(buffer, at, checksum.of(payload.memory(), payload.at(), length));
    claim.commit();
    counts.add(Count.SENT, 1);
  }

  /** Whether either stream has broken off: a peer or a driver was silent for too long. */
  boolean isBroken() {
    return in.isClosed() || out.isClosed() || !in.isConnected() || !out.isConnected();
  }

  @Override
  public void close() {
    out.close();
    in.close();
  }
}
