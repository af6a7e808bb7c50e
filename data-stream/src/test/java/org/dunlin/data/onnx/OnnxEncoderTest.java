package org.dunlin.data.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.dunlin.data.model.EncoderTensors;
import org.dunlin.data.model.Tensor;
import org.dunlin.data.onnx.wire.AttributeProto;
import org.dunlin.data.onnx.wire.GraphProto;
import org.dunlin.data.onnx.wire.ModelProto;
import org.dunlin.data.onnx.wire.NodeProto;
import org.dunlin.data.onnx.wire.TensorProto;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.EncoderSpec.Family;
import org.junit.jupiter.api.Test;

/** What is read from an export, and what is refused, on a graph of one tiny layer. */
class OnnxEncoderTest {
  private static final EncoderSpec TINY =
      new EncoderSpec(Family.BERT, 5, 7, 2, 4, 1, 2, 6, 1e-12, 0, 0.1, 0.1);

  @Test
  void readsArchitectureAndTurnsLinearWeights() {
    OnnxEncoder encoder = read(graph -> {});
    assertThat(encoder.spec()).isEqualTo(TINY);
    assertThat(encoder.tensors()).hasSize(5 + 16);
    for (Tensor tensor : encoder.tensors()) {
      FloatBuffer values = encoder.values(tensor);
      assertThat(values.remaining()).as(tensor.name()).isEqualTo((int) tensor.elements());
      // Every value is its own row-major index, so a missing turn shows.
      assertThat(values.get(1)).as(tensor.name()).isEqualTo(1f);
    }
  }

  @Test
  void refusesQuantisedOperators() {
    assertRefused(
        graph -> graph.addNode(NodeProto.newBuilder().setName("q").setOpType("MatMulInteger")),
        "quantised");
  }

  @Test
  void refusesWeightsInAnotherFile() {
    assertRefused(
        graph -> graph.getInitializerBuilder(0).setDataLocation(1), "lies in another file");
  }

  @Test
  void refusesHalfPrecision() {
    assertRefused(graph -> graph.getInitializerBuilder(0).setDataType(10), "data type 10");
  }

  @Test
  void refusesLeftovers() {
    assertRefused(
        graph -> graph.addInitializer(tensor("pooler.dense.weight", false, 4, 4)),
        "pooler.dense.weight");
    assertRefused(
        graph -> graph.addInitializer(tensor("encoder.layer.0.adapter.weight", false, 4, 4)),
        "encoder.layer.0.adapter.weight");
  }

  @Test
  void refusesAMissingTensor() {
    assertRefused(graph -> graph.removeInitializer(1), "embeddings.position_embeddings.weight");
  }

  @Test
  void refusesANodeWhoseNameAndBiasDisagree() {
    assertRefused(
        graph ->
            graph.getNodeBuilderList().stream()
                .filter(node -> node.getName().contains("self/query"))
                .findFirst()
                .orElseThrow()
                .setName("/encoder/layer.0/attention/self/key/MatMul"),
        "attention.self.query");
  }

  @Test
  void refusesAnotherActivation() {
    assertRefused(
        graph ->
            graph.getNodeBuilderList().stream()
                .filter(node -> node.getOpType().equals("Erf"))
                .forEach(node -> node.setOpType("Tanh")),
        "exact GELU");
  }

  @Test
  void refusesAFileThatIsCutShort() {
    byte[] whole = graph().build().toByteArray();
    byte[] model = ModelProto.newBuilder().setGraph(graph()).build().toByteArray();
    assertThat(whole.length).isGreaterThan(100);
    assertThatThrownBy(() -> OnnxGraph.parse("cut", Arrays.copyOf(model, model.length / 2)))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("cut");
  }

  private static void assertRefused(Consumer<GraphProto.Builder> change, String part) {
    assertThatThrownBy(() -> read(change)).isInstanceOf(Refusal.class).hasMessageContaining(part);
  }

  private static OnnxEncoder read(Consumer<GraphProto.Builder> change) {
    GraphProto.Builder graph = graph();
    change.accept(graph);
    byte[] bytes = ModelProto.newBuilder().setGraph(graph).build().toByteArray();
    return new OnnxEncoder(OnnxGraph.parse("tiny.onnx", bytes));
  }

  private static GraphProto.Builder graph() {
    GraphProto.Builder graph = GraphProto.newBuilder();
    for (Tensor tensor : EncoderTensors.expected(TINY)) {
      long[] shape = tensor.shape().stream().mapToLong(Long::longValue).toArray();
      if (!tensor.name().startsWith("encoder.")
          || shape.length == 1
          || tensor.name().contains("LayerNorm")) {
        graph.addInitializer(tensor(tensor.name(), false, shape));
      } else {
        addLinear(graph, tensor.name().replace(".weight", ""), shape);
      }
    }
    graph.addInitializer(
        TensorProto.newBuilder().setName("embeddings.position_ids").setDataType(7).addDims(1));
    graph.addNode(node("Erf", "/encoder/layer.0/intermediate/intermediate_act_fn/Erf", "out"));
    graph.addNode(constant("heads", integers(2)));
    graph.addNode(constant("width", rawInteger(2)));
    graph.addNode(
        node("Concat", "/encoder/layer.0/attention/self/Concat", "shape", "heads", "width"));
    graph.addNode(
        constant("epsilon", TensorProto.newBuilder().setDataType(1).addFloatData(1e-12f)));
    graph.addNode(node("Add", "/embeddings/LayerNorm/Add", "sum", "variance", "epsilon"));
    return graph;
  }

  private static void addLinear(GraphProto.Builder graph, String layer, long[] shape) {
    String weight = "onnx::MatMul_" + graph.getInitializerCount();
    String path = "/" + layer.replace(".", "/").replace("layer/0", "layer.0");
    graph.addInitializer(tensor(weight, true, shape[1], shape[0]));
    graph.addNode(node("MatMul", path + "/MatMul", path + "/product", "x", weight));
    graph.addNode(node("Add", path + "/Add", path + "/sum", layer + ".bias", path + "/product"));
  }

  // Values are row-major indices of the stored shape, or, turned, of its transpose.
  private static TensorProto.Builder tensor(String name, boolean turned, long... shape) {
    int count = (int) Arrays.stream(shape).reduce(1, (a, b) -> a * b);
    ByteBuffer bytes = ByteBuffer.allocate(count * 4).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      int width = (int) shape[shape.length - 1];
      bytes.putFloat(turned ? i % width * (count / width) + i / width : i);
    }
    return TensorProto.newBuilder()
        .setName(name)
        .setDataType(1)
        .addAllDims(Arrays.stream(shape).boxed().toList())
        .setRawData(ByteString.copyFrom(bytes.flip()));
  }

  private static NodeProto.Builder node(String type, String name, String output, String... inputs) {
    return NodeProto.newBuilder()
        .setOpType(type)
        .setName(name)
        .addOutput(output)
        .addAllInput(List.of(inputs));
  }

  private static NodeProto.Builder constant(String output, TensorProto.Builder value) {
    return node("Constant", output, output)
        .addAttribute(AttributeProto.newBuilder().setName("value").setT(value));
  }

  private static TensorProto.Builder integers(long value) {
    return TensorProto.newBuilder().setDataType(7).addInt64Data(value);
  }

  private static TensorProto.Builder rawInteger(long value) {
    ByteBuffer bytes = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value);
    return TensorProto.newBuilder().setDataType(7).setRawData(ByteString.copyFrom(bytes.flip()));
  }
}
