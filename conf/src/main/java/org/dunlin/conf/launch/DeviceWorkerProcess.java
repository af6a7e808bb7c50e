package org.dunlin.conf.launch;

import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.dunlin.conf.log.Logs;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.worker.engine.DeviceLock;
import org.dunlin.worker.engine.Failure;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One worker of {@link DeviceWorkers}: it sees one device, and holds it while it lives. */
public final class DeviceWorkerProcess {
  private static final Logger LOG = LoggerFactory.getLogger(DeviceWorkerProcess.class);

  private DeviceWorkerProcess() {}

  /** What a child is given; the other way round in {@link #request}. */
  static List<String> arguments(JoinRequest request, String name, int device, int threads) {
    return List.of(
        request.coordinator().host(),
        Integer.toString(request.coordinator().port()),
        request.host().orElse(""),
        name,
        Integer.toString(threads),
        Integer.toString(device),
        Long.toString(request.patience().toMillis()),
        request.copies().map(Path::toString).orElse(""),
        request
            .trace()
            .map(file -> file.resolveSibling(device + "-" + file.getFileName()))
            .map(Path::toString)
            .orElse(""));
  }

  static JoinRequest request(List<String> arguments) {
    return new JoinRequest(
        new Endpoint(arguments.get(0), Integer.parseInt(arguments.get(1))),
        given(arguments.get(2)),
        given(arguments.get(3)),
        OptionalInt.of(Integer.parseInt(arguments.get(4))),
        List.of(Integer.parseInt(arguments.get(5))),
        Duration.ofMillis(Long.parseLong(arguments.get(6))),
        given(arguments.get(7)).map(Path::of),
        given(arguments.get(8)).map(Path::of));
  }

  private static Optional<String> given(String argument) {
    return Optional.of(argument).filter(text -> !text.isEmpty());
  }

  /** Runs it and exits with its code. */
  public static void main(String[] arguments) {
    Logs.toStandardError();
    PrintStream lines = CoordinatorProcess.takeStandardOutput();
    Lifeline line = Lifeline.hold();
    JoinRequest request = request(List.of(arguments));
    String name = request.name().orElseThrow();
    int exitCode = 1;
    try (DeviceLock held = DeviceLock.take(System.getenv("CUDA_VISIBLE_DEVICES"), name)) {
      LOG.debug("{} holds {}", name, held);
      exitCode = JoinedWorker.join(request, name, line.stopAsked(), lines::println);
    } catch (Refusal e) {
      lines.println("worker " + name + ": " + e.getMessage());
      exitCode = e.kind().exitCode();
    } catch (RuntimeException e) {
      LOG.error("failed", e);
      lines.println("worker " + name + ": failed: " + Failure.line(e));
    }
    lines.flush();
    System.exit(exitCode);
  }
}
