/** The ledger: what its file keeps, what its reader refuses, what its proof finds. */
package org.dunlin.coordinator.ledger;
