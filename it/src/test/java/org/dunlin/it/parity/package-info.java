/**
 * Dunlin against numbers that the reference itself recorded.
 *
 * <p><b>Rule of this room:</b> the set's folder comes from {@code -Ddunlin.fixtures=DIR}, and
 * nothing is assumed of its sizes, shapes or number of configurations; an empty or missing one
 * fails.
 */
package org.dunlin.it.parity;
