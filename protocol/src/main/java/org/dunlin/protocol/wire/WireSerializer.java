package org.dunlin.protocol.wire;

import com.google.protobuf.InvalidProtocolBufferException;
import java.io.NotSerializableException;
import org.apache.pekko.actor.ExtendedActorSystem;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.serialization.SerializerWithStringManifest;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.StreamRefResolver;
import org.dunlin.protocol.OnWire;
import org.dunlin.protocol.message.ToWorker;

/**
 * Pekko's door to the wire format: every {@link OnWire} message as Protobuf. Named in the
 * configuration; Pekko makes one for each actor system. Thread-safe.
 */
public final class WireSerializer extends SerializerWithStringManifest {
  private static final int IDENTIFIER = 7_281_901;

  private final ExtendedActorSystem system;

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
    return codec().write((OnWire) message).toByteArray();
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
          public String actor(ActorRef<ToWorker> actor) {
            return actors.toSerializationFormat(actor);
          }

          @Override
          public ActorRef<ToWorker> actor(String text) {
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
