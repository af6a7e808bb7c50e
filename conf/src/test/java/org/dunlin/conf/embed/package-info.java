/**
 * Commands that compute without training.
 *
 * <p><b>Rule of this room:</b> they run on a real model; what is compared is what is printed.
 */
package org.dunlin.conf.embed;
