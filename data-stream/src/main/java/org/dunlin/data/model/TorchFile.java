package org.dunlin.data.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import org.dunlin.data.model.TensorPickle.Storage;
import org.dunlin.data.model.TensorPickle.View;
import org.dunlin.protocol.Refusal;

/**
 * What {@code torch.save(model.state_dict())} wrote: {@code pytorch_model.bin}, {@code
 * sparse_linear.pt}. Unlike PyTorch it executes nothing and takes nothing but tensors, so that a
 * stranger's file can be opened; see {@link TensorPickle}.
 *
 * <p>Values are mapped where they lie. Views with strides and storages that tensors share are read
 * as what they stand for. Not read: the format from before PyTorch 1.6. Thread-safe; close it.
 */
public final class TorchFile implements WeightsFile {
  /** The pickle holds names and shapes; that of a model of 700 tensors takes 100 KB. */
  private static final long MAX_PICKLE_BYTES = 16L << 20;

  private record Entry(Tensor tensor, View view, long from) {}

  private final Path path;
  private final FileChannel channel;
  private final Map<String, Entry> entries = new LinkedHashMap<>();

  private TorchFile(Path path, FileChannel channel) {
    this.path = path;
    this.channel = channel;
  }

  /** Opens a file and checks every tensor against its length; what does not fit is refused. */
  public static TorchFile open(Path path) {
    return OpenedChannel.read(
        path,
        "a PyTorch file",
        channel -> {
          TorchFile file = new TorchFile(path, channel);
          file.readDirectory();
          return file;
        });
  }

  @Override
  public Collection<Tensor> tensors() {
    return entries.values().stream().map(Entry::tensor).toList();
  }

  @Override
  public boolean contains(String name) {
    return entries.containsKey(name);
  }

  @Override
  public void read(String name, long firstElement, FloatBuffer into) {
    Entry entry = entries.get(name);
    long count = into.remaining();
    if (entry == null || firstElement < 0 || firstElement > entry.tensor().elements() - count) {
      throw new IllegalArgumentException(
          "%s: %s has no elements %d to %d"
              .formatted(path, name, firstElement, firstElement + count));
    }
    if (count == 0) {
      return;
    }
    try {
      if (isContiguous(entry.view())) {
        FloatType type = entry.view().storage().kind().type();
        long first = entry.view().offset() + firstElement;
        type.copy(map(entry.from() + first * type.bytes(), count * type.bytes()), into);
      } else {
        readStrided(entry, firstElement, into);
      }
    } catch (IOException e) {
      throw Refusal.run(path + ": " + name + " cannot be read: " + e.getMessage(), e);
    }
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void readStrided(Entry entry, long firstElement, FloatBuffer into) throws IOException {
    View view = entry.view();
    int dimensions = view.shape().size();
    long last = 0;
    for (int dimension = 0; dimension < dimensions; dimension++) {
      last += (view.shape().get(dimension) - 1) * view.strides().get(dimension);
    }
    int bytes = view.storage().kind().type().bytes();
    if ((last + 1) * bytes > Integer.MAX_VALUE) {
      throw refused(entry.tensor().name() + " is a view with strides over more than 2 GB");
    }
    ByteBuffer mapped = map(entry.from() + view.offset() * bytes, (last + 1) * bytes);
    for (long element = firstElement; into.hasRemaining(); element++) {
      long rest = element;
      long at = 0;
      for (int dimension = dimensions - 1; dimension >= 0; dimension--) {
        at += rest % view.shape().get(dimension) * view.strides().get(dimension);
        rest /= view.shape().get(dimension);
      }
      into.put(view.storage().kind().type().at(mapped, (int) at * bytes));
    }
  }

  private static boolean isContiguous(View view) {
    long expected = 1;
    for (int dimension = view.shape().size() - 1; dimension >= 0; dimension--) {
      long size = view.shape().get(dimension);
      if (size != 1 && view.strides().get(dimension) != expected) {
        return false;
      }
      expected *= size;
    }
    return true;
  }

  private ByteBuffer map(long from, long bytes) throws IOException {
    return channel.map(FileChannel.MapMode.READ_ONLY, from, bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private void readDirectory() throws IOException {
    try {
      Map<String, StoredZip.Place> places = StoredZip.places(channel);
      String root = root(places);
      StoredZip.Place order = places.get(root + "byteorder");
      if (order != null
          && !"little".equals(StandardCharsets.UTF_8.decode(small(order, 16)).toString().strip())) {
        throw refused("its values are not little-endian; save it on another machine");
      }
      Map<String, View> views =
          TensorPickle.read(checked(places.get(root + "data.pkl"), MAX_PICKLE_BYTES));
      for (Map.Entry<String, View> view : views.entrySet()) {
        Storage storage = view.getValue().storage();
        if (storage.kind().type() != null) {
          entries.put(view.getKey(), entry(view.getKey(), view.getValue(), places, root));
        }
      }
    } catch (StoredZip.Fault | TensorPickle.Fault e) {
      throw Refusal.run(path + ": " + e.getMessage() + old(), e);
    }
  }

  private Entry entry(String name, View view, Map<String, StoredZip.Place> places, String root) {
    Storage storage = view.storage();
    StoredZip.Place place = places.get(root + "data/" + storage.key());
    if (place == null || place.bytes() / storage.kind().type().bytes() < storage.elements()) {
      throw refused(
          "%s: its storage %s has %s bytes (expected: %d values of %s)"
              .formatted(
                  name,
                  storage.key(),
                  place == null ? "no" : place.bytes(),
                  storage.elements(),
                  storage.kind().name()));
    }
    return new Entry(new Tensor(name, view.shape()), view, place.from());
  }

  /** All entries lie in one folder, which PyTorch names after the file it wrote first. */
  private String root(Map<String, StoredZip.Place> places) {
    List<String> pickles =
        places.keySet().stream().filter(name -> name.endsWith("/data.pkl")).toList();
    if (pickles.size() != 1) {
      throw refused(
          "has %d data.pkl (expected: one, as torch.save writes)".formatted(pickles.size()));
    }
    return pickles.get(0).substring(0, pickles.get(0).length() - "data.pkl".length());
  }

  private ByteBuffer checked(StoredZip.Place place, long most) throws IOException {
    ByteBuffer bytes = small(place, most);
    CRC32 crc = new CRC32();
    crc.update(bytes.duplicate());
    if (crc.getValue() != place.crc32()) {
      throw refused("its data.pkl is damaged: the checksum does not fit");
    }
    return bytes;
  }

  private ByteBuffer small(StoredZip.Place place, long most) throws IOException {
    if (place.bytes() > most) {
      throw refused("an entry has %d bytes (expected: at most %d)".formatted(place.bytes(), most));
    }
    return map(place.from(), place.bytes());
  }

  /** The old format is a bare pickle and begins with its protocol. */
  private String old() throws IOException {
    ByteBuffer first = ByteBuffer.allocate(2);
    boolean bare = channel.read(first, 0) == 2 && Byte.toUnsignedInt(first.get(0)) == 0x80;
    return bare
        ? "; it may be in the format from before PyTorch 1.6: load and save it with a newer one"
        : "";
  }

  private Refusal refused(String what) {
    return Refusal.run(path + ": " + what);
  }
}
