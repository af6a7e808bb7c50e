/**
 * The batches of uncommitted steps: what may have to be sent, and nothing more.
 *
 * <p><b>Rule of this room:</b> it is bounded. A full window stops the reader; only a commit opens
 * it.
 */
package org.dunlin.coordinator.feed;
