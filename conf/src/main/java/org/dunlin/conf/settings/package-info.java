/**
 * What a person asked for, checked: the reference file, then a file, then flags.
 *
 * <p><b>Rule of this room:</b> a key is declared once in {@code dunlin-reference.conf} with its
 * reason and once in {@code Keys} with its form; whatever is wrong with a value is said before
 * anything starts, with the place it came from.
 */
package org.dunlin.conf.settings;
