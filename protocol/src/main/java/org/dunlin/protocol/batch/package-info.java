/**
 * What a step works on: a header that every member gets, and a batch for each slot's owner.
 *
 * <p><b>Rule of this room:</b> a function of the plan alone. Nothing here says which member does a
 * slot, and no text travels, only token ids.
 */
package org.dunlin.protocol.batch;
