/**
 * Whole runs in real processes: started, killed, stopped, compared.
 *
 * <p><b>Rule of this room:</b> nothing is mocked, and every wait is for a condition, with one
 * limit.
 */
package org.dunlin.it.process;
