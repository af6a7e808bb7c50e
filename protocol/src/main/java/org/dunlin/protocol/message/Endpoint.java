package org.dunlin.protocol.message;

/**
 * Where a member's data plane listens.
 *
 * @param host name or address
 * @param port 1 to 65535
 */
public record Endpoint(String host, int port) {}
