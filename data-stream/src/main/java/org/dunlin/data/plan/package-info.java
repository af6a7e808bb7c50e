/**
 * Which samples make which step, and how a step is cut into slots and micro-batches.
 *
 * <p><b>Rule of this room:</b> functions of (seed, epoch, data, configuration) and nothing else: no
 * clock, no file, no thread, and above all not how many machines, cores or threads there are.
 */
package org.dunlin.data.plan;
