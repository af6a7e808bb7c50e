package org.dunlin.conf.launch;

import java.nio.file.Path;
import java.util.OptionalLong;

/**
 * What {@code dunlin ledger} is asked for.
 *
 * @param runFolder of a run that has ended or goes on
 * @param withoutData whether to prove only what the ledger alone can
 * @param step whose samples are to be printed; absent: prove
 */
public record LedgerRequest(Path runFolder, boolean withoutData, OptionalLong step) {}
