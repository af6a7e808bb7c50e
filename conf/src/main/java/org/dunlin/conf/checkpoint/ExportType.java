package org.dunlin.conf.checkpoint;

import org.dunlin.data.model.FloatType;

/** What an exported model's weights are rounded to. */
public enum ExportType {
  FP32("fp32", FloatType.F32),
  BF16("bf16", FloatType.BF16),
  FP16("fp16", FloatType.F16);

  private final String word;
  private final FloatType stored;

  ExportType(String word, FloatType stored) {
    this.word = word;
    this.stored = stored;
  }

  FloatType stored() {
    return stored;
  }

  /** As it is typed. */
  @Override
  public String toString() {
    return word;
  }
}
