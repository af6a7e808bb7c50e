package org.dunlin.worker.engine;

import ai.djl.Device;

/** What a worker's encoder computes on. All else of a step is the processor's. */
public enum EncoderDevice {
  /** The processor, in the memory that the state is in. */
  PROCESSOR,

  /** The first CUDA device that this process is shown, with copies there and back. */
  CUDA,

  /** The processor, with all the copies of a CUDA device: what shows that they change nothing. */
  MIRRORED_PROCESSOR;

  /** Whose memory it computes in. */
  public Device device() {
    return this == CUDA ? Device.gpu(0) : Device.cpu();
  }

  /** Whether it computes with the state's own memory. */
  public boolean isInPlace() {
    return this == PROCESSOR;
  }

  /**
   * Whether attention is written out even without dropout. The fused kernel keeps no matrix of
   * tokens by tokens, but on CUDA it adds gradients in no fixed order, and what would forbid it
   * that ({@code use_deterministic_algorithms}) is out of a script's reach.
   */
  public boolean writesAttentionOut() {
    return this != PROCESSOR;
  }
}
