/**
 * Who is dead, and how soon. A process's death ends its connection at once; a hang or a cut cable
 * shows as silence. Membership, which follows seconds later, only confirms.
 *
 * <p><b>Rule of this room:</b> it reports and decides nothing.
 */
package org.dunlin.coordinator.liveness;
