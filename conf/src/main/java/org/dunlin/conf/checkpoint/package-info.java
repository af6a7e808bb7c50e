/**
 * What a person does with a run's checkpoints when no run is going on.
 *
 * <p><b>Rule of this room:</b> checkpoints are only read; what is made of them is new.
 */
package org.dunlin.conf.checkpoint;
