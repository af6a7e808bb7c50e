/**
 * From texts to token ids.
 *
 * <p><b>Rule of this room:</b> the only one in this module that knows DJL, and of DJL only its
 * tokenizers. Equal texts give equal ids, whatever a folder's file says of truncation and padding.
 */
package org.dunlin.data.tokens;
