package org.dunlin.data.checkpoint;

import org.dunlin.data.checkpoint.Manifest.Place;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.run.RunSpec;

/** A checkpoint's README: what a person who finds the folder wants to know. */
final class Description {
  private Description() {}

  static String of(Manifest manifest) {
    Place place = manifest.place();
    RunSpec spec = manifest.spec();
    StringBuilder text = new StringBuilder();
    text.append(
        """
        # %s after %d of %d steps

        A checkpoint of Dunlin %s, written %s on %s in term %d: everything that the run needs to go on
        from the middle of epoch %d (counted from 0), on any number of machines, to the same bits.

        | file | bytes | tensors |
        |---|---|---|
        """
            .formatted(
                spec.name(),
                place.steps(),
                spec.steps(),
                manifest.origin().version(),
                manifest.origin().written(),
                manifest.origin().host(),
                manifest.origin().term().number(),
                place.epoch()));
    for (CheckpointPart part : manifest.files()) {
      text.append(
          "| `%s` | %d | %d |\n".formatted(part.file(), part.bytes(), part.contents().size()));
    }
    text.append(
        """

        The files are safetensors of float32: `parameter.NAME`, and of what is trained `first-moment.NAME`
        and `second-moment.NAME`, AdamW's. `manifest.json` has the step, the scalars (updates applied: %d,
        loss scale: %s), every file's SHA-256 and a CRC32C of every MiB; without it this is no checkpoint.
        `run.conf` has the run's settings.

        ```
        dunlin verify THIS_FOLDER                    # is every byte as it was written?
        dunlin export THIS_FOLDER --to MODEL_FOLDER  # a Hugging Face folder of these weights
        ```
        """
            .formatted(place.scalars().updates(), place.scalars().lossScale()));
    return text.toString();
  }
}
