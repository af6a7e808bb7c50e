/** How the end of workers is noticed. */
package org.dunlin.coordinator.liveness;
