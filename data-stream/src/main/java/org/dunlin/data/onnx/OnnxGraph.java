package org.dunlin.data.onnx;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnsafeByteOperations;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.dunlin.data.onnx.wire.AttributeProto;
import org.dunlin.data.onnx.wire.ModelProto;
import org.dunlin.data.onnx.wire.NodeProto;
import org.dunlin.data.onnx.wire.TensorProto;
import org.dunlin.protocol.Refusal;

/** A parsed ONNX graph whose initializers are all plain float32 or int64 in the file. Immutable. */
final class OnnxGraph {
  static final int FLOAT = 1;
  static final int INT64 = 7;

  private static final int EXTERNAL = 1;
  private static final Set<String> QUANTISED =
      Set.of("MatMulInteger", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearMatMul");

  private final String source;
  private final List<NodeProto> nodes;
  private final Map<String, TensorProto> initializers = new LinkedHashMap<>();
  private final Map<String, NodeProto> producers = new HashMap<>();

  private OnnxGraph(String source, ModelProto model) {
    this.source = source;
    this.nodes = model.getGraph().getNodeList();
    for (NodeProto node : nodes) {
      if (QUANTISED.contains(node.getOpType())) {
        throw refused(
            "node %s is a %s; the model is quantised (expected: a float32 export)"
                .formatted(node.getName(), node.getOpType()));
      }
      node.getOutputList().forEach(output -> producers.put(output, node));
    }
    for (TensorProto tensor : model.getGraph().getInitializerList()) {
      check(tensor);
      initializers.put(tensor.getName(), tensor);
    }
    if (initializers.isEmpty()) {
      throw refused("has no weights; it is cut short or no ONNX model");
    }
  }

  /**
   * Parses a model.
   *
   * @param source what error sentences call it
   * @param bytes the file's; they must not change afterwards
   */
  static OnnxGraph parse(String source, byte[] bytes) {
    try {
      CodedInputStream in = UnsafeByteOperations.unsafeWrap(bytes).newCodedInput();
      in.enableAliasing(true); // weights stay views of the file's bytes
      return new OnnxGraph(source, ModelProto.parseFrom(in));
    } catch (InvalidProtocolBufferException e) {
      throw Refusal.run(source + ": is no ONNX model: " + e.getMessage(), e);
    } catch (IOException e) {
      throw new AssertionError("bytes in memory are always readable", e);
    }
  }

  private void check(TensorProto tensor) {
    if (tensor.getDataLocation() == EXTERNAL) {
      throw refused(
          "tensor %s lies in another file (expected: weights inside the model)"
              .formatted(tensor.getName()));
    }
    if (tensor.getDataType() != FLOAT && tensor.getDataType() != INT64) {
      throw refused(
          "tensor %s has data type %d (expected: %d, float32)"
              .formatted(tensor.getName(), tensor.getDataType(), FLOAT));
    }
    if (tensor.getDataType() == FLOAT) {
      long elements = tensor.getDimsList().stream().reduce(1L, Math::multiplyExact);
      if (floats(tensor).remaining() != elements) {
        throw refused(
            "tensor %s of shape %s has %d values (expected: %d)"
                .formatted(
                    tensor.getName(), tensor.getDimsList(), floats(tensor).remaining(), elements));
      }
    }
  }

  List<NodeProto> nodes() {
    return nodes;
  }

  /** All weights and tables, in file order. */
  Map<String, TensorProto> initializers() {
    return initializers;
  }

  /** A node by its name. */
  Optional<NodeProto> node(String name) {
    return nodes.stream().filter(node -> node.getName().equals(name)).findFirst();
  }

  /** The first value of the Constant that an input comes from, if it comes from one. */
  Optional<Number> constant(String input) {
    NodeProto producer = producers.get(input);
    if (producer == null || !producer.getOpType().equals("Constant")) {
      return Optional.empty();
    }
    return producer.getAttributeList().stream()
        .filter(attribute -> attribute.getName().equals("value"))
        .map(AttributeProto::getT)
        .map(OnnxGraph::firstValue)
        .findFirst();
  }

  private static Number firstValue(TensorProto tensor) {
    if (tensor.getDataType() == FLOAT) {
      return floats(tensor).get(0);
    }
    return tensor.getInt64DataCount() > 0 ? tensor.getInt64Data(0) : raw(tensor).getLong();
  }

  // Its position, and not 0, is where the values begin: the bytes are a view of the whole file's.
  private static ByteBuffer raw(TensorProto tensor) {
    return tensor.getRawData().asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
  }

  /** A float32 tensor's values, row-major. */
  static FloatBuffer floats(TensorProto tensor) {
    if (tensor.getFloatDataCount() > 0) {
      FloatBuffer values = FloatBuffer.allocate(tensor.getFloatDataCount());
      tensor.getFloatDataList().forEach(values::put);
      return values.flip();
    }
    return raw(tensor).asFloatBuffer();
  }

  Refusal refused(String what) {
    return Refusal.run(source + ": " + what);
  }
}
