package org.dunlin.protocol.batch;

import org.dunlin.protocol.OnWire;

/** An element of the stream from the coordinator to a worker: a header, then its slots' batches. */
public sealed interface FeedItem extends OnWire permits StepHeader, SlotBatch {
  /** The step it belongs to, from 0. */
  long step();
}
