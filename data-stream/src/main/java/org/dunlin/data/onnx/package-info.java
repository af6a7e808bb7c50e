/**
 * ONNX exports of BERT encoders, as some Maven artifacts carry them, turned into Hugging Face
 * folders.
 *
 * <p><b>Rule of this room:</b> a graph is read for its weights and never run; what is not
 * understood to the last tensor is refused, because a model that is almost right trains without
 * complaint.
 */
package org.dunlin.data.onnx;
