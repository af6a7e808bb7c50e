/**
 * Tests of {@code org.dunlin.data.checkpoint}.
 *
 * <p><b>Rule of this room:</b> files are real; a disk that fails is the real one with a word put in
 * between.
 */
package org.dunlin.data.checkpoint;
