package org.dunlin.conf.embed;

import java.nio.file.Path;
import java.util.OptionalInt;
import java.util.Set;

/**
 * What {@code dunlin embed} is asked for.
 *
 * @param model its folder
 * @param heads at least one
 * @param maxTokens where a text is cut, special tokens counted; absent: what the model takes
 */
public record EmbedRequest(Path model, Set<Head> heads, OptionalInt maxTokens) {}
