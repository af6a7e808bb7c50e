package org.dunlin.protocol.wire;

import com.google.protobuf.InvalidProtocolBufferException;
import java.io.NotSerializableException;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.apache.pekko.actor.ExtendedActorSystem;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.serialization.SerializerWithStringManifest;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.StreamRefResolver;
import org.dunlin.protocol.OnWire;
import org.dunlin.protocol.batch.StepHeader;

/**
 * Pekko's door to the wire format: every {@link OnWire} message as Protobuf. Named in the
 * configuration; Pekko makes one for each actor system. Thread-safe.
 */
public final class WireSerializer extends SerializerWithStringManifest {
  private static final int IDENTIFIER = 7_281_901;

  /** Headers that may be on their way at once, to members that are fed at different speeds. */
  private static final int HEADERS = 8;

  private final ExtendedActorSystem system;
  private final AtomicReferenceArray<Written> written = new AtomicReferenceArray<>(HEADERS);

  /** A header and its bytes, which nobody changes. */
  private record Written(StepHeader header, byte[] bytes) {}

  public WireSerializer(ExtendedActorSystem system) {
    this.system = system;
  }

  @Override
  public int identifier() {
    return IDENTIFIER;
  }

  @Override
  public String manifest(Object message) {
    return MessageCodec.manifest((OnWire) message);
  }

  @Override
  public byte[] toBinary(Object message) {
    return message instanceof StepHeader header ? written(header) : bytes((OnWire) message);
  }

  // It goes to every member, and grows with their number. To compare its arrays would cost as much.
  @SuppressWarnings("ReferenceEquality")
  private byte[] written(StepHeader header) {
    int at = (int) (header.step() % HEADERS);
    Written last = written.get(at);
    if (last == null || last.header() != header) {
      last = new Written(header, bytes(header));
      written.set(at, last);
    }
    return last.bytes();
  }

  private byte[] bytes(OnWire message) {
    return codec().write(message).toByteArray();
  }

  @Override
  public Object fromBinary(byte[] bytes, String manifest) throws NotSerializableException {
    try {
      return codec().read(manifest, bytes);
    } catch (InvalidProtocolBufferException e) {
      throw new NotSerializableException(manifest + ": " + e.getMessage());
    }
  }

  // The resolvers are extensions of the system; they cannot be had while it is being made.
  private MessageCodec codec() {
    ActorSystem<Void> typed = Adapter.toTyped(system);
    ActorRefResolver actors = ActorRefResolver.get(typed);
    StreamRefResolver streams = StreamRefResolver.get(system);
    return new MessageCodec(
        new MessageCodec.References() {
          @Override
          public <T> String actor(ActorRef<T> actor) {
            return actors.toSerializationFormat(actor);
          }

          @Override
          public <T> ActorRef<T> actor(String text) {
            return actors.resolveActorRef(text);
          }

          @Override
          public <T> String source(SourceRef<T> source) {
            return streams.toSerializationFormat(source);
          }

          @Override
          public <T> SourceRef<T> source(String text) {
            return streams.resolveSourceRef(text);
          }
        });
  }
}
