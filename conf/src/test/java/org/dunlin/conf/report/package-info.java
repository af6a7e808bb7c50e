/**
 * What people read of a run.
 *
 * <p><b>Rule of this room:</b> events go in, and only files and printed lines are looked at.
 */
package org.dunlin.conf.report;
