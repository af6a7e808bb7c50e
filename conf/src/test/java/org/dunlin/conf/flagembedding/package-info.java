/**
 * Tests of {@code org.dunlin.conf.flagembedding}.
 *
 * <p><b>Rule of this room:</b> what the table says must be what keys and documentation say.
 */
package org.dunlin.conf.flagembedding;
