/** What a run's numbers must be. */
package org.dunlin.protocol.run;
