/**
 * Whether what this worker computes still gets on.
 *
 * <p>A call into the engine that never returns, a device that is lost or a disk that is dead under
 * a mapped page stops a thread, not the process: its pulse goes on, and the others would wait for
 * ever. So a worker judges itself, because only it knows what it waits for. Pieces of work that
 * need nobody else, a micro-batch's backward pass for instance, are begun and ended here; waiting
 * for other members is no piece, so a slow member never makes another one look hung.
 *
 * <p>A piece hangs when it has taken many times what the longest of its kind took, more if it is
 * larger than any before, and never less than a floor. The longest, not the mean, and with a large
 * factor: a machine's load may change from one piece to the next, and whoever is taken for hung
 * loses its life, where a hang that is noticed a minute later costs a minute. Warming up is among
 * what the longest took; before any of a kind is done there is one limit for all.
 *
 * <p>Time is what this process was awake: the thread that judges counts its own looks, and a pause
 * between two of them, because the process or the machine was stopped, counts as little as a look.
 * Pieces read that count and no clock. A piece takes milliseconds, and watching it less than 1 µs,
 * also where eight threads do nothing else.
 *
 * <p><b>Rule of this room:</b> the judge knows no clock and no thread; nothing here knows what is
 * computed, or ends anything.
 */
package org.dunlin.worker.hang;
