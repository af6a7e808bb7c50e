package org.dunlin.protocol.wire;

import java.util.Arrays;
import java.util.List;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.CheckpointPart.Content;
import org.dunlin.protocol.message.LessonItem.Kind;

/** What a checkpoint's part is, to Protobuf and back. */
final class CheckpointCodec {
  private CheckpointCodec() {}

  static CheckpointPartWire write(CheckpointPart part) {
    CheckpointPartWire.Builder wire =
        CheckpointPartWire.newBuilder()
            .setFile(part.file())
            .setBytes(part.bytes())
            .setSha256(part.sha256());
    for (Content content : part.contents()) {
      wire.addContents(
          CheckpointContentWire.newBuilder()
              .setKind(content.kind().name())
              .setTensor(content.tensor())
              .addAllCrcs(Arrays.stream(content.crcs()).boxed().toList()));
    }
    return wire.build();
  }

  static CheckpointPart read(CheckpointPartWire wire) {
    List<Content> contents =
        wire.getContentsList().stream()
            .map(
                content ->
                    new Content(
                        Kind.valueOf(content.getKind()),
                        content.getTensor(),
                        content.getCrcsList().stream().mapToInt(Integer::intValue).toArray()))
            .toList();
    return new CheckpointPart(wire.getFile(), wire.getBytes(), wire.getSha256(), contents);
  }
}
