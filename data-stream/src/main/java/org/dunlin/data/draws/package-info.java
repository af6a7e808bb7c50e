/**
 * Random numbers that belong to a decision and not to a sequence.
 *
 * <p><b>Rule of this room:</b> what is drawn depends on the decision's key and on nothing that was
 * drawn before; nothing here knows what is decided.
 */
package org.dunlin.data.draws;
