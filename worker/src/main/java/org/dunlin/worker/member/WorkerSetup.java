package org.dunlin.worker.member;

import java.util.function.Consumer;
import java.util.function.Function;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.hang.HangWatch;

/**
 * What a worker brings along; everything else comes from the coordinator.
 *
 * @param worker who it is
 * @param version of its Dunlin
 * @param host name or address under which its peers reach its data plane
 * @param device makes the device that it trains a run on; called once, on the step thread
 * @param probe a digest of what this machine's kernels give for a run; called once, on the step
 *     thread
 * @param absenceMs how long it waits for another coordinator when the one it has is gone
 * @param watch of what it computes: the worker fails when that hangs
 * @param told hears in sentences what a person should know; must not block
 */
public record WorkerSetup(
    WorkerId worker,
    String version,
    String host,
    Function<RunSpec, Device> device,
    Function<RunSpec, String> probe,
    int absenceMs,
    HangWatch watch,
    Consumer<String> told) {}
