/**
 * Model files as Hugging Face lays them out: configuration, weights, tokenizer.
 *
 * <p><b>Rule of this room:</b> a file is read where it lies and written whole or not at all; what
 * is wrong in one is a sentence with the file, what was found and what was expected.
 */
package org.dunlin.data.model;
