/**
 * Training samples as they lie in JSONL files.
 *
 * <p><b>Rule of this room:</b> a line is checked before a run begins, and only its place is kept in
 * memory; what is wrong in one is a sentence with the file, the line, what was found and what was
 * expected.
 */
package org.dunlin.data.samples;
