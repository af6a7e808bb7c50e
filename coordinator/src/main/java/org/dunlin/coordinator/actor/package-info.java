/**
 * The coordinator as a cluster actor: it turns messages into events and effects into messages.
 *
 * <p><b>Rule of this room:</b> it decides nothing and never blocks. Reading and writing files
 * happen in streams of their own.
 */
package org.dunlin.coordinator.actor;
