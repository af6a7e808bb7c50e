/**
 * Where log lines go.
 *
 * <p><b>Rule of this room:</b> the product's own configuration, real files.
 */
package org.dunlin.conf.log;
