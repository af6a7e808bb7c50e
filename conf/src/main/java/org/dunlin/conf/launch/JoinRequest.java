package org.dunlin.conf.launch;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.dunlin.protocol.message.Endpoint;

/**
 * What a person says who starts a worker.
 *
 * @param coordinator where it listens
 * @param host under which the others reach this worker; empty: the address that leads to the
 *     coordinator
 * @param name of the worker; empty: the machine's and the process's
 * @param threads compute threads; empty: as many as cores
 * @param devices CUDA devices; empty: the processor
 * @param patience how long an absent coordinator is waited for
 * @param copies in which a copy of the run's checkpoints may be kept; empty: none is
 * @param trace where to write what its threads do when
 */
public record JoinRequest(
    Endpoint coordinator,
    Optional<String> host,
    Optional<String> name,
    OptionalInt threads,
    List<Integer> devices,
    Duration patience,
    Optional<Path> copies,
    Optional<Path> trace) {}
