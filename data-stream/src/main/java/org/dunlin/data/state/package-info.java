/**
 * How a run's state lies in memory: tensors as segments of blocks.
 *
 * <p><b>Rule of this room:</b> pure arithmetic on names and shapes; it depends on the model and on
 * nothing else, so that every member, learner and resumed run cuts the same floats alike.
 */
package org.dunlin.data.state;
