package org.dunlin.conf.checkpoint;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What {@code dunlin export} is asked for.
 *
 * @param checkpoints folders of checkpoints, or of runs, which stand for their newest one; at least
 *     one, several are averaged
 * @param target the model's folder, which must not exist
 * @param type of its weights
 * @param model where its configuration and tokenizer are from; absent: where the run's were
 */
public record ExportRequest(
    List<Path> checkpoints, Path target, ExportType type, Optional<Path> model) {}
