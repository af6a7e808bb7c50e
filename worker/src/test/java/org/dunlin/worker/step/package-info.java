/** What must hold of a training step on one device, with real kernels on small models. */
package org.dunlin.worker.step;
