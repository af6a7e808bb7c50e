/** What a viewer finds in the file. */
package org.dunlin.worker.trace;
