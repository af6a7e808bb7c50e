package org.dunlin.conf.flagembedding;

import java.util.List;
import java.util.Map;

/**
 * What was made of a command line.
 *
 * @param rest what is not FlagEmbedding's, in its order
 * @param overrides values that flags set, by key
 * @param flags the flag that set a key
 * @param defaults values to take where nothing else sets a key; empty unless the command is
 *     FlagEmbedding's
 * @param lines how each flag was understood, for the person
 */
public record Understood(
    List<String> rest,
    Map<String, Object> overrides,
    Map<String, String> flags,
    Map<String, String> defaults,
    List<String> lines) {}
