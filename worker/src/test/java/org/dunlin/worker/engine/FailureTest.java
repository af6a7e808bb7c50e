package org.dunlin.worker.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.Test;

class FailureTest {
  // What libtorch said when an address space was full, shortened.
  private static final String NO_MEMORY =
      """
      The following operation failed in the TorchScript interpreter.
      Traceback of TorchScript (most recent call last):
        File "code/__torch__.py", line 26, in loss_rows
          out = torch.matmul(a, b)
                ~~~~~~~~~~~~ <--- HERE
      RuntimeError: [enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 3221225472 bytes. Error code 12 (Cannot allocate memory)
      """;

  @Test
  void shouldSayInOneLineWhatAScriptFailedOf() {
    try (ComputeThreads threads = new ComputeThreads(1);
        NDManager manager = Torch.newManager()) {
      List<ComputeThreads.Work<Boolean>> work =
          List.of(
              module -> {
                module.run(
                    "accumulate_rows",
                    manager,
                    manager.create(1L),
                    manager.ones(new Shape(1, 2, 3)),
                    manager.create(new long[] {7}),
                    manager.create(new long[] {0}),
                    manager.ones(new Shape(1, 3)));
                return true;
              });
      assertThatThrownBy(() -> threads.run("work", work))
          .isInstanceOf(EngineException.class)
          .satisfies(failure -> assertThat(failure.toString().lines().count()).isGreaterThan(1))
          .satisfies(
              failure ->
                  assertThat(Failure.line(failure))
                      .doesNotContain("\n", "Traceback")
                      .startsWith("RuntimeError: "));
    }
  }

  @Test
  void shouldSayTheFirstLineOfAnyOtherFailure() {
    assertThat(Failure.line(new IllegalStateException("first\nsecond")))
        .isEqualTo("java.lang.IllegalStateException: first");
  }

  @Test
  void shouldNamePartAmountAndMendWhereMemoryRunsOut() {
    EngineException cause = new EngineException(NO_MEMORY);
    assertThatThrownBy(
            () ->
                Failure.ofPart(
                    "the loss of step 3",
                    () -> {
                      throw cause;
                    }))
        .isInstanceOf(Refusal.class)
        .hasCause(cause)
        .hasMessage(
            "memory ran out in the loss of step 3, for 3.00 GiB, where smaller micro-batches do not help; take fewer workers on this host or fewer compute-threads, or lower batch.size or data.group-size");
    assertThatThrownBy(
            () ->
                Failure.ofPart(
                    "the loss of step 3",
                    () -> {
                      throw new OutOfMemoryError("Java heap space");
                    }))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("is too small for the loss of step 3; raise heap-mib.worker");
  }

  @Test
  void shouldLeaveOtherFailuresAsTheyAre() {
    MemoryShort tooLarge = new MemoryShort(4, 8, new OutOfMemoryError());
    IllegalStateException other = new IllegalStateException("other");
    for (RuntimeException failure : List.of(tooLarge, other)) {
      assertThatThrownBy(
              () ->
                  Failure.ofPart(
                      "the loss",
                      () -> {
                        throw failure;
                      }))
          .isSameAs(failure);
    }
  }
}
