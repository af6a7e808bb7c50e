/**
 * What a run's ledger says of its steps: which samples they use, and that they are final.
 *
 * <p><b>Rule of this room:</b> only what is said, not where it is kept: no file, no bytes.
 */
package org.dunlin.protocol.ledger;
