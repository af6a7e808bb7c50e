/**
 * How good a model is: at retrieval, by hand with {@code dunlin evaluate} and of a run's
 * checkpoints, and by its loss over held-out pairs.
 *
 * <p><b>Rule of this room:</b> the same model and files give the same figures, whoever asks.
 */
package org.dunlin.conf.evaluate;
