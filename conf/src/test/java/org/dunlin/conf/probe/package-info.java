/** Tests of the search for micro-batches that fit. */
package org.dunlin.conf.probe;
