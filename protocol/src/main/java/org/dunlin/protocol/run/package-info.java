/**
 * What a run is: everything that decides its bits, and nothing that does not.
 *
 * <p><b>Rule of this room:</b> no key here may depend on how many machines, cores or threads there
 * are, and two equal {@link org.dunlin.protocol.run.RunSpec}s must end in equal weights.
 */
package org.dunlin.protocol.run;
