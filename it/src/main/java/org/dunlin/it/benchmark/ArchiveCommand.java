package org.dunlin.it.benchmark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.dunlin.worker.engine.ScriptArchive;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Writes the scripts as the archive that libtorch loads, for a machine with PyTorch alone. */
@Command(
    name = "archive",
    mixinStandardHelpOptions = true,
    description = {
      "Writes Dunlin's TorchScript archive, which torch.jit.load reads; check_archives_on_gpu.py"
          + " runs it on a graphics card.",
      "Example: ./dunlin benchmark archive scripts.pt"
    })
final class ArchiveCommand implements Callable<Integer> {
  @Parameters(paramLabel = "FILE", description = "Is written anew.")
  private Path file;

  @Override
  public Integer call() throws IOException {
    byte[] archive = ScriptArchive.bytes();
    Files.write(file, archive);
    System.out.printf("%s: %d bytes%n", file, archive.length);
    return 0;
  }
}
