/**
 * How good a model is at retrieval: by hand, {@code dunlin evaluate}, and of a run's checkpoints.
 *
 * <p><b>Rule of this room:</b> the same model and files give the same figures, whoever asks.
 */
package org.dunlin.conf.evaluate;
