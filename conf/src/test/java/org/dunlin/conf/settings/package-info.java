/**
 * What settings promise.
 *
 * <p><b>Rule of this room:</b> real files and real values; a refusal is compared as the whole
 * sentence that a person reads.
 */
package org.dunlin.conf.settings;
