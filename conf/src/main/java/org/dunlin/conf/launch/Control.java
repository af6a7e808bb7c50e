package org.dunlin.conf.launch;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.pekko.actor.typed.ActorRef;
import org.dunlin.coordinator.actor.CoordinatorActor;
import org.dunlin.protocol.Refusal;

/**
 * How a command of another process reaches a run's coordinator: HTTP on this machine alone, by
 * whoever may read {@code control.json} in the run folder. Close it with the coordinator.
 */
public final class Control implements AutoCloseable {
  /** Port and token; readable by the run's owner. */
  public static final String FILE = "control.json";

  private static final String TOKEN = "Dunlin-Token";
  private static final int TOKEN_BYTES = 16;
  private static final Duration LIMIT = Duration.ofSeconds(10);
  private static final int OK = 200;
  private static final int REFUSED = 400;
  private static final int FORBIDDEN = 403;
  private static final int LATE = 503;

  private final HttpServer server;
  private final Path file;
  private final String token;

  private Control(HttpServer server, Path file, String token) {
    this.server = server;
    this.file = file;
    this.token = token;
  }

  /** Listens for the coordinator of a run. */
  static Control listen(Path runFolder, ActorRef<CoordinatorActor.Command> coordinator) {
    byte[] random = new byte[TOKEN_BYTES];
    new SecureRandom().nextBytes(random);
    String token = HexFormat.of().formatHex(random);
    Path file = runFolder.resolve(FILE);
    try {
      HttpServer server =
          HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
      server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
      server.createContext(
          "/drain",
          exchange ->
              answer(
                  exchange,
                  token,
                  worker -> {
                    CompletableFuture<String> said = new CompletableFuture<>();
                    coordinator.tell(new CoordinatorActor.Drain(worker, said));
                    return said;
                  }));
      server.createContext(
          "/checkpoint",
          exchange ->
              answer(
                  exchange,
                  token,
                  nothing -> {
                    CompletableFuture<String> said = new CompletableFuture<>();
                    coordinator.tell(new CoordinatorActor.Checkpoint(said));
                    return said;
                  }));
      server.start();
      return new Control(server, file, token);
    } catch (IOException e) {
      throw Refusal.run("the coordinator cannot listen for commands: " + e.getMessage(), e);
    }
  }

  /** Says in the run folder where it listens. */
  void announce() {
    Path next = file.resolveSibling("." + FILE + ".next");
    Map<String, Object> values = Map.of("port", server.getAddress().getPort(), "token", token);
    try {
      Files.deleteIfExists(next);
      Files.createFile(
          next, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
      Files.writeString(next, new ObjectMapper().writeValueAsString(values));
      Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw Refusal.run(file + ": cannot be written: " + e.getMessage(), e);
    }
  }

  private interface Request {
    CompletableFuture<String> of(String argument);
  }

  private static void answer(HttpExchange exchange, String token, Request request)
      throws IOException {
    try (exchange) {
      if (!token.equals(exchange.getRequestHeaders().getFirst(TOKEN))) {
        respond(exchange, FORBIDDEN, "the token is not this run's");
        return;
      }
      String argument =
          URLDecoder.decode(exchange.getRequestURI().getRawQuery(), StandardCharsets.UTF_8);
      try {
        String said = request.of(argument).get(LIMIT.toMillis(), TimeUnit.MILLISECONDS);
        respond(exchange, OK, said);
      } catch (TimeoutException e) {
        respond(
            exchange, LATE, "the coordinator has not answered within " + LIMIT.toSeconds() + " s");
      } catch (ExecutionException e) {
        respond(exchange, REFUSED, String.valueOf(e.getCause().getMessage()));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static void respond(HttpExchange exchange, int code, String sentence) throws IOException {
    byte[] bytes = sentence.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(code, bytes.length);
    try (OutputStream body = exchange.getResponseBody()) {
      body.write(bytes);
    }
  }

  /**
   * Asks the coordinator of a run folder to let a worker leave.
   *
   * @return its sentence; a {@link Refusal} where it refuses, or there is none
   */
  public static String drain(Path runFolder, String worker) {
    return ask(runFolder, "/drain", worker);
  }

  /**
   * Asks the coordinator of a run folder for a checkpoint.
   *
   * @return its sentence; a {@link Refusal} where it refuses, or there is none
   */
  public static String checkpoint(Path runFolder) {
    return ask(runFolder, "/checkpoint", "now");
  }

  private static String ask(Path runFolder, String path, String argument) {
    Path file = runFolder.resolve(FILE);
    if (!Files.isRegularFile(file)) {
      throw Refusal.usage(
          runFolder
              + ": no coordinator listens here (expected: the folder of a run that is under way, with workers in processes of their own)");
    }
    try (HttpClient client = HttpClient.newHttpClient()) {
      JsonNode at = new ObjectMapper().readTree(file.toFile());
      HttpRequest request =
          HttpRequest.newBuilder(
                  new URI(
                      "http",
                      null,
                      InetAddress.getLoopbackAddress().getHostAddress(),
                      at.path("port").asInt(),
                      path,
                      argument,
                      null))
              .header(TOKEN, at.path("token").asText())
              .timeout(LIMIT.multipliedBy(2))
              .POST(HttpRequest.BodyPublishers.noBody())
              .build();
      HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
      if (response.statusCode() != OK) {
        throw Refusal.run(response.body());
      }
      return response.body();
    } catch (IOException e) {
      throw Refusal.run(
          runFolder + ": its coordinator does not answer (" + e + "); it may have ended", e);
    } catch (URISyntaxException e) {
      throw Refusal.usage("'" + argument + "': is no name of a worker");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw Refusal.run("interrupted", e);
    }
  }

  @Override
  public void close() {
    server.stop(0);
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      // The next coordinator overwrites it.
    }
  }
}
