/** Tests of sizes, and of a driver's whole life as a process. */
package org.dunlin.worker.collective.driver;
