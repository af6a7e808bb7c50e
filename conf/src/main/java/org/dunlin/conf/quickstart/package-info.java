/**
 * The model and the data that come along with Dunlin, made ready for a run, and what the model is
 * worth on them.
 *
 * <p><b>Rule of this room:</b> nothing is downloaded when Dunlin runs; what is made is made once,
 * under a temporary name, and is whole when it has its own.
 */
package org.dunlin.conf.quickstart;
