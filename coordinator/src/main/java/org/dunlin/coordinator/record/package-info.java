/**
 * What must outlive a coordinator, on disk before anybody acts on it: the number of its term, and
 * what time or a machine decided in it.
 *
 * <p><b>Rule of this room:</b> a term's file is made by that term alone and only appended to; what
 * is written is durable before its write completes; whoever does not hold the term's lock writes
 * nothing.
 */
package org.dunlin.coordinator.record;
