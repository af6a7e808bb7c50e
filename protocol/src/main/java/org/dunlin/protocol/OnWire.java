package org.dunlin.protocol;

/** Whatever crosses between processes; Pekko's serialization is bound to this type. */
public interface OnWire {}
