/**
 * Which samples each committed step used: the file that says so, its reader, and the proof.
 *
 * <p><b>Rule of this room:</b> append only, one file a term, made by its coordinator and by nobody
 * else; a commit is durable before its write completes. What is read is believed only where its
 * checksum holds.
 */
package org.dunlin.coordinator.ledger;
