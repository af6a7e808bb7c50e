/**
 * WordNet 3.1 as something to train and measure a text-embedding model on.
 *
 * <p><b>Rule of this room:</b> what comes out is a function of the database alone: splits and
 * samples are drawn by checksums of names, never by chance, so that every machine gets the same.
 */
package org.dunlin.data.wordnet;
