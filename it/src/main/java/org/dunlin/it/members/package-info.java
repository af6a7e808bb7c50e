/** A generation of members in one process, for tests and benchmarks of how they work together. */
package org.dunlin.it.members;
