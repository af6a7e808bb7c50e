package org.dunlin.protocol.message;

import java.util.List;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.stream.SourceRef;
import org.dunlin.protocol.OnWire;
import org.dunlin.protocol.Term;

/**
 * From the coordinator's machine to another one, that keeps a second copy of the run there: the
 * files of a checkpoint that is complete, and the records without which a run does not go on.
 *
 * @param term of the coordinator; one of an older term is refused
 * @param number of the offer, never used before in the term
 * @param run the name of the folder that holds the copy: no other run has it
 * @param steps of the checkpoint
 * @param manifestSha256 of the checkpoint's manifest: what it is of, byte for byte
 * @param bytes of all files together
 * @param records the names of all records, which lie in the run folder itself
 * @param complete the steps of all checkpoints that the first folder holds; others need not be kept
 * @param files in the order in which they are written: the checkpoint's manifest is last
 * @param answer hears {@link CopyEnded}
 */
public record CopyOffered(
    Term term,
    long number,
    String run,
    long steps,
    String manifestSha256,
    long bytes,
    List<String> records,
    List<Long> complete,
    SourceRef<RunBytes> files,
    ActorRef<CopyEnded> answer)
    implements OnWire {}
