/**
 * Tests of {@code org.dunlin.data.model}.
 *
 * <p><b>Rule of this room:</b> files are real, made by PyTorch or byte by byte; none is mocked.
 */
package org.dunlin.data.model;
