/** What must hold of the loss: the plain formula's numbers, whatever the tiles. */
package org.dunlin.worker.loss;
