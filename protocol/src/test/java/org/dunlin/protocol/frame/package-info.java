/** Tests of the frame's layout, byte by byte. */
package org.dunlin.protocol.frame;
