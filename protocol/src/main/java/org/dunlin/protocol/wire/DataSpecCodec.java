package org.dunlin.protocol.wire;

import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.TextTemplate;

/** {@link DataSpec} to Protobuf and back. */
final class DataSpecCodec {
  private DataSpecCodec() {}

  static DataSpecWire write(DataSpec data) {
    return DataSpecWire.newBuilder()
        .setSameDataset(data.sameDataset())
        .setSmallThreshold(data.smallThreshold())
        .setDropThreshold(data.dropThreshold())
        .setMaxRowsPerFile(data.maxRowsPerFile())
        .setShuffleRatio(data.shuffleRatio())
        .setQueryInstruction(data.texts().queryInstruction())
        .setQueryTemplate(data.texts().queryTemplate().form())
        .setPassageInstruction(data.texts().passageInstruction())
        .setPassageTemplate(data.texts().passageTemplate().form())
        .setDistillation(data.distillation())
        .setDevices(data.devices())
        .setByLength(data.byLength().name())
        .setCompat(data.compat())
        .build();
  }

  static DataSpec read(DataSpecWire wire) {
    return new DataSpec(
        wire.getSameDataset(),
        wire.getSmallThreshold(),
        wire.getDropThreshold(),
        wire.getMaxRowsPerFile(),
        wire.getShuffleRatio(),
        new DataSpec.Texts(
            wire.getQueryInstruction(),
            new TextTemplate(wire.getQueryTemplate()),
            wire.getPassageInstruction(),
            new TextTemplate(wire.getPassageTemplate())),
        wire.getDistillation(),
        wire.getDevices(),
        DataSpec.ByLength.valueOf(wire.getByLength()),
        wire.getCompat());
  }
}
