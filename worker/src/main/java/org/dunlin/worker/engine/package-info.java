/**
 * libtorch as Dunlin uses it: TorchScript text run through DJL on threads of its own, over memory
 * that Java, libtorch and the wire see without copies.
 *
 * <p><b>Rule of this room:</b> one loaded module and one intra-op thread for each compute thread;
 * parallelism is over micro-batches, never inside operators, so that bits do not depend on cores.
 */
package org.dunlin.worker.engine;
