/**
 * The language of the cluster: who is who, and which life, generation and term a word belongs to.
 *
 * <p><b>Rule of this room:</b> values only. Nothing here opens a file or a socket, knows DJL, or
 * decides anything; it says what members may say to each other and how that looks on the wire.
 */
package org.dunlin.protocol;
