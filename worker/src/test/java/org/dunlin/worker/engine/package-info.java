/** Tests of what the engine's failures mean. */
package org.dunlin.worker.engine;
