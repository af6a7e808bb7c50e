/**
 * Keeps the doors between the rooms.
 *
 * <p><b>Rule of this room:</b> a rule here is a sentence of the design; it is changed with the
 * design or not at all.
 */
package org.dunlin.it.architecture;
