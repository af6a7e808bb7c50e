/**
 * Decides who computes which slots of a step, and when the step is final.
 *
 * <p><b>Rule of this room:</b> nothing here may know that time passes by itself, that a network
 * exists, or that a worker is a process. Give it a state and an event; it gives back the next state
 * and what has to be done, in order.
 */
package org.dunlin.coordinator.step;
