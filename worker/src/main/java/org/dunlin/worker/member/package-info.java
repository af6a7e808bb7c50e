/**
 * A worker's side of the step protocol, and the actor that carries out what it decides.
 *
 * <p><b>Rule of this room:</b> {@code MemberProtocol} knows no clock, thread, actor or tensor; the
 * actor decides nothing and never blocks: what takes time runs on the step thread.
 */
package org.dunlin.worker.member;
