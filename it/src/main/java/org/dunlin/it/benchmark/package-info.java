/**
 * Benchmarks: each a command that prints a table, where there is a peer with it beside Dunlin.
 *
 * <p><b>Rule of this room:</b> only ratios of runs that alternated in one call are reported;
 * absolute times are shown beside them, never alone, and nothing here is asserted.
 */
package org.dunlin.it.benchmark;
