/**
 * Turns files and plan into the stream of steps that a run trains on.
 *
 * <p><b>Rule of this room:</b> it decides nothing. What a step holds is the plan's word; here it is
 * read, tokenized and sent in order, never further ahead than the consumer's demand and a fixed
 * bound allow.
 */
package org.dunlin.data.feed;
