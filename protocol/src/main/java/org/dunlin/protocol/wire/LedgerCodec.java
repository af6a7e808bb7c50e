package org.dunlin.protocol.wire;

import com.google.protobuf.InvalidProtocolBufferException;
import java.util.List;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.ledger.LedgerRecord;
import org.dunlin.protocol.ledger.LedgerRecord.Commit;
import org.dunlin.protocol.ledger.LedgerRecord.Header;
import org.dunlin.protocol.ledger.LedgerRecord.Intent;
import org.dunlin.protocol.ledger.LedgerRecord.Renounce;
import org.dunlin.protocol.ledger.LedgerRecord.Rewind;

/** {@link LedgerRecord} to Protobuf and back. */
public final class LedgerCodec {
  private LedgerCodec() {}

  public static byte[] write(LedgerRecord entry) {
    LedgerRecordWire.Builder wire = LedgerRecordWire.newBuilder();
    switch (entry) {
      case Header header -> wire.setHeader(write(header));
      case Intent intent -> wire.setIntent(write(intent));
      case Commit commit ->
          wire.setCommit(
              LedgerCommitWire.newBuilder()
                  .setStep(commit.step())
                  .setGeneration(commit.generation().number())
                  .setChecksum(commit.checksum()));
      case Renounce renounce ->
          wire.setRenounce(
              LedgerRenounceWire.newBuilder()
                  .setFromStep(renounce.fromStep())
                  .setGeneration(renounce.generation().number()));
      case Rewind rewind ->
          wire.setRewind(
              LedgerRewindWire.newBuilder().setSteps(rewind.steps()).setHistory(rewind.history()));
    }
    return wire.build().toByteArray();
  }

  /**
   * The record that these bytes are.
   *
   * @throws IllegalArgumentException if they are none that this version knows, with the reason
   */
  public static LedgerRecord read(byte[] bytes) {
    LedgerRecordWire wire;
    try {
      wire = LedgerRecordWire.parseFrom(bytes);
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalArgumentException("not a record of a ledger: " + e.getMessage(), e);
    }
    return switch (wire.getRecordCase()) {
      case HEADER -> read(wire.getHeader());
      case INTENT -> read(wire.getIntent());
      case COMMIT ->
          new Commit(
              wire.getCommit().getStep(),
              new Generation(wire.getCommit().getGeneration()),
              wire.getCommit().getChecksum());
      case RENOUNCE ->
          new Renounce(
              wire.getRenounce().getFromStep(), new Generation(wire.getRenounce().getGeneration()));
      case REWIND -> new Rewind(wire.getRewind().getSteps(), wire.getRewind().getHistory());
      case RECORD_NOT_SET ->
          throw new IllegalArgumentException("a record of a kind that this Dunlin does not know");
    };
  }

  private static LedgerHeaderWire write(Header header) {
    return LedgerHeaderWire.newBuilder()
        .setRun(header.run())
        .setTerm(header.term().number())
        .setSteps(header.steps())
        .setRows(header.rows())
        .setRowsPerEpoch(header.rowsPerEpoch())
        .setDataSha256(header.dataSha256())
        .setWeightsSha256(header.weightsSha256())
        .build();
  }

  private static Header read(LedgerHeaderWire wire) {
    return new Header(
        wire.getRun(),
        new Term(wire.getTerm()),
        wire.getSteps(),
        wire.getRows(),
        wire.getRowsPerEpoch(),
        wire.getDataSha256(),
        wire.getWeightsSha256());
  }

  private static LedgerIntentWire write(Intent intent) {
    LedgerIntentWire.Builder wire =
        LedgerIntentWire.newBuilder()
            .setStep(intent.step())
            .setEpoch(intent.epoch())
            .setGeneration(intent.generation().number());
    long before = 0;
    for (long id : intent.sampleIds()) {
      wire.addSampleIdDeltas(id - before);
      before = id;
    }
    return wire.build();
  }

  private static Intent read(LedgerIntentWire wire) {
    List<Long> deltas = wire.getSampleIdDeltasList();
    long[] ids = new long[deltas.size()];
    long id = 0;
    for (int place = 0; place < ids.length; place++) {
      id += deltas.get(place);
      ids[place] = id;
    }
    return new Intent(wire.getStep(), wire.getEpoch(), new Generation(wire.getGeneration()), ids);
  }
}
