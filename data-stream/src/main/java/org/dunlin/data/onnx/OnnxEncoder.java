package org.dunlin.data.onnx;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import org.dunlin.data.model.EncoderTensors;
import org.dunlin.data.model.Tensor;
import org.dunlin.data.onnx.wire.NodeProto;
import org.dunlin.data.onnx.wire.TensorProto;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.EncoderSpec.Family;

/**
 * A BERT encoder found in an ONNX graph: its architecture, and its weights under Hugging Face's
 * names.
 *
 * <p>An export keeps the names of tables, biases and norms, but gives each linear layer's weight a
 * generated name and lays it [in, out]. The bias that is added to its product tells the layer.
 * Immutable.
 */
final class OnnxEncoder {
  private static final String LAYER_0 = "/encoder/layer.0/";
  private static final double DROPOUT = 0.1; // BERT's own; an export for inference keeps no trace

  private record Weight(TensorProto values, boolean transposed) {
    List<Long> shape() {
      List<Long> dims = values.getDimsList();
      return transposed ? List.of(dims.get(1), dims.get(0)) : dims;
    }
  }

  private final OnnxGraph graph;
  private final Map<String, Weight> weights = new LinkedHashMap<>();
  private final EncoderSpec spec;

  OnnxEncoder(OnnxGraph graph) {
    this.graph = graph;
    TreeSet<String> generated = new TreeSet<>();
    for (TensorProto tensor : graph.initializers().values()) {
      String name = tensor.getName();
      if (name.startsWith("embeddings.") || name.startsWith("encoder.")) {
        if (tensor.getDataType() == OnnxGraph.FLOAT) {
          weights.put(name, new Weight(tensor, false));
        } else if (!name.equals("embeddings.position_ids")) {
          throw graph.refused("tensor " + name + " holds integers (expected: float32 weights)");
        }
      } else {
        generated.add(name);
      }
    }
    for (NodeProto node : graph.nodes()) {
      if (node.getOpType().equals("MatMul") && graph.initializers().containsKey(node.getInput(1))) {
        addLinear(node, graph.initializers().get(node.getInput(1)));
        generated.remove(node.getInput(1));
      }
    }
    if (!generated.isEmpty()) {
      throw graph.refused(
          "%d tensors belong to no linear layer, %s the first (expected: none)"
              .formatted(generated.size(), generated.first()));
    }
    this.spec = findSpec();
    checkTensors();
  }

  private void addLinear(NodeProto product, TensorProto values) {
    String name = layerByBias(product);
    String node = product.getName().replaceAll("^/|/MatMul$", "").replace('/', '.');
    if (!node.equals(name)) {
      throw graph.refused(
          "the product %s is followed by the bias of %s (expected: its own)"
              .formatted(product.getName(), name));
    }
    if (values.getDataType() != OnnxGraph.FLOAT || values.getDimsCount() != 2) {
      throw graph.refused(
          "weight %s of %s has shape %s (expected: two dimensions of float32)"
              .formatted(values.getName(), name, values.getDimsList()));
    }
    if (weights.put(name + ".weight", new Weight(values, true)) != null) {
      throw graph.refused(name + ".weight: found twice (expected: once)");
    }
  }

  private String layerByBias(NodeProto product) {
    String output = product.getOutput(0);
    for (NodeProto node : graph.nodes()) {
      if (node.getOpType().equals("Add") && node.getInputList().contains(output)) {
        for (String input : node.getInputList()) {
          if (input.endsWith(".bias") && graph.initializers().containsKey(input)) {
            return input.substring(0, input.length() - ".bias".length());
          }
        }
      }
    }
    throw graph.refused(
        "the product %s has a weight but no bias is added to it (expected: a linear layer)"
            .formatted(product.getName()));
  }

  private EncoderSpec findSpec() {
    List<Long> words = shape("embeddings.word_embeddings.weight", 2);
    int hidden = words.get(1).intValue();
    int layers = 0;
    while (weights.containsKey("encoder.layer." + layers + ".output.dense.weight")) {
      layers++;
    }
    if (graph.nodes().stream()
        .noneMatch(
            node ->
                node.getOpType().equals("Erf")
                    && node.getName().startsWith(LAYER_0 + "intermediate/intermediate_act_fn/"))) {
      throw graph.refused("layer 0 has no Erf in its activation (expected: exact GELU)");
    }
    try {
      return new EncoderSpec(
          Family.BERT,
          words.get(0).intValue(),
          shape("embeddings.position_embeddings.weight", 2).get(0).intValue(),
          shape("embeddings.token_type_embeddings.weight", 2).get(0).intValue(),
          hidden,
          layers,
          findHeads(hidden),
          shape("encoder.layer.0.intermediate.dense.weight", 2).get(0).intValue(),
          findEpsilon(),
          0,
          DROPOUT,
          DROPOUT);
    } catch (IllegalArgumentException e) {
      throw graph.refused(e.getMessage());
    }
  }

  // Attention is reshaped to [rows, tokens, heads, width]; the last two are constants.
  private int findHeads(int hidden) {
    String name = LAYER_0 + "attention/self/Concat";
    List<Integer> constants = new ArrayList<>();
    graph
        .node(name)
        .ifPresent(
            node ->
                node.getInputList().stream()
                    .map(graph::constant)
                    .flatMap(Optional::stream)
                    .forEach(value -> constants.add(value.intValue())));
    if (constants.size() != 2 || constants.get(0) * constants.get(1) != hidden) {
      throw graph.refused(
          "%s joins the constants %s (expected: heads and their width, together %d)"
              .formatted(name, constants, hidden));
    }
    return constants.get(0);
  }

  private double findEpsilon() {
    return graph
        .node("/embeddings/LayerNorm/Add")
        .flatMap(
            node ->
                node.getInputList().stream()
                    .map(graph::constant)
                    .flatMap(Optional::stream)
                    .findFirst())
        .map(value -> Double.parseDouble(Float.toString(value.floatValue()))) // 1e-12, not 9.99e-13
        .orElseThrow(
            () ->
                graph.refused(
                    "/embeddings/LayerNorm/Add adds no constant (expected: the norm's epsilon)"));
  }

  private List<Long> shape(String name, int dimensions) {
    Weight weight = weights.get(name);
    if (weight == null || weight.values().getDimsCount() != dimensions) {
      throw graph.refused(
          "tensor %s: found %s (expected: %d dimensions, as in BERT)"
              .formatted(name, weight == null ? "none" : "shape " + weight.shape(), dimensions));
    }
    return weight.shape();
  }

  private void checkTensors() {
    TreeSet<String> unused = new TreeSet<>(weights.keySet());
    for (Tensor tensor : tensors()) {
      Weight found = weights.get(tensor.name());
      if (found == null || !found.shape().equals(tensor.shape())) {
        throw graph.refused(
            "tensor %s: found %s (expected: shape %s)"
                .formatted(
                    tensor.name(),
                    found == null ? "none" : "shape " + found.shape(),
                    tensor.shape()));
      }
      unused.remove(tensor.name());
    }
    if (!unused.isEmpty()) {
      throw graph.refused(
          "%d tensors are left over, %s the first (expected: none)"
              .formatted(unused.size(), unused.first()));
    }
  }

  EncoderSpec spec() {
    return spec;
  }

  /** The encoder's tensors, all of which are there with these shapes. */
  List<Tensor> tensors() {
    return EncoderTensors.expected(spec);
  }

  /** A tensor's values, row-major, [out, in] for a linear layer. */
  FloatBuffer values(Tensor tensor) {
    Weight weight = weights.get(tensor.name());
    FloatBuffer stored = OnnxGraph.floats(weight.values());
    if (!weight.transposed()) {
      return stored;
    }
    int out = tensor.shape().get(0).intValue();
    int in = tensor.shape().get(1).intValue();
    float[] turned = new float[out * in];
    for (int i = 0; i < in; i++) {
      for (int o = 0; o < out; o++) {
        turned[o * in + i] = stored.get(i * out + o);
      }
    }
    return FloatBuffer.wrap(turned);
  }
}
