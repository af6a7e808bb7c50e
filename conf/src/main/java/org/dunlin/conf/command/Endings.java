package org.dunlin.conf.command;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Optional;
import org.dunlin.conf.log.Logs;
import org.dunlin.protocol.Refusal;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** How a command ends badly: a sentence for the person, the stack trace for the log. */
final class Endings {
  private final PrintWriter err;

  Endings(PrintWriter err) {
    this.err = err;
  }

  int wrongArguments(ParameterException wrong, String[] args) {
    err.println(wrong.getMessage());
    UnmatchedArgumentException.printSuggestions(wrong, err);
    err.println("Try '" + wrong.getCommandLine().getCommandSpec().qualifiedName() + " --help'.");
    return Refusal.Kind.USAGE.exitCode();
  }

  int failed(Exception cause, CommandLine command, ParseResult parsed) {
    return failed(cause);
  }

  int failed(Throwable cause) {
    // Not before it is needed: starting the log takes longer than most commands.
    Logger log = LoggerFactory.getLogger(Endings.class);
    log.atError().addMarker(Logs.FILE_ONLY).setCause(cause).log("the command failed");
    if (cause instanceof Refusal refusal) {
      err.println(refusal.getMessage());
      return refusal.kind().exitCode();
    }
    Optional<Path> file = Logs.file();
    err.println(
        "Dunlin failed unexpectedly: "
            + cause.toString().replaceAll("\\s*\\R\\s*", " ")
            + file.map(path -> "; the log has more: " + path).orElse(at(cause)));
    return Refusal.Kind.RUN.exitCode();
  }

  /** Without a log this is all there is for a report of the defect. */
  private static String at(Throwable cause) {
    StackTraceElement[] trace = cause.getStackTrace();
    return trace.length == 0 ? "" : ", at " + trace[0];
  }
}
