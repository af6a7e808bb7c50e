package org.dunlin.data.checkpoint;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.AccessMode;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.CopyOption;
import java.nio.file.DirectoryStream;
import java.nio.file.FileStore;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileAttributeView;
import java.nio.file.spi.FileSystemProvider;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The real disk, until a given operation: then it fails once, or for good, as after a kill, or has
 * no room for any more bytes, or lets no names be changed. Every call that reaches the operating
 * system is an operation. Thread-safe.
 */
public final class FaultyDisk extends FileSystemProvider {
  /** What is wrong with it. */
  public enum Fault {
    /** One operation fails, the others work. */
    ONCE,
    /** Nothing works any more: what a process does not do after its death. */
    KILL,
    /** Half of what is written finds room, and nothing after it. */
    FULL,
    /** Nothing is made, renamed or removed in any folder; open files take what they are given. */
    READ_ONLY,
    /** Nothing fails, but what stores of objects do not have is not there. */
    OBJECTS
  }

  private final Fault fault;
  private final long at;
  private final FileSystem system = new FaultyFileSystem(this);
  private final List<String> operations = Collections.synchronizedList(new ArrayList<>());

  /**
   * @param at which operation is the first to fail, from 0
   */
  public FaultyDisk(Fault fault, long at) {
    this.fault = fault;
    this.at = at;
  }

  /** What was asked of it, in order. */
  public List<String> operations() {
    return operations;
  }

  /** The same file, reached through this. */
  public Path path(Path real) {
    return (Path)
        Proxy.newProxyInstance(
            FaultyDisk.class.getClassLoader(),
            new Class<?>[] {Path.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("getFileSystem")) {
                return system;
              }
              if (method.getName().equals("equals")) {
                return arguments[0] instanceof Path other && real.equals(real(other));
              }
              Object[] given = arguments == null ? new Object[0] : arguments.clone();
              for (int a = 0; a < given.length; a++) {
                given[a] = given[a] instanceof Path path ? real(path) : given[a];
              }
              try {
                Object result = method.invoke(real, given);
                return result instanceof Path path ? path(path) : result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private static Path real(Path path) {
    return Proxy.isProxyClass(path.getClass()) ? Path.of(path.toString()) : path;
  }

  private synchronized void operation(String what, Path path) throws IOException {
    int number = operations.size();
    operations.add(what + " " + path.getFileName());
    if ((fault == Fault.ONCE && number == at) || (fault == Fault.KILL && number >= at)) {
      throw new IOException("Input/output error");
    }
  }

  /** One that makes, changes or removes a name. */
  private void change(String what, Path path) throws IOException {
    operation(what, path);
    boolean isThere = Files.exists(real(path), LinkOption.NOFOLLOW_LINKS);
    if (fault == Fault.READ_ONLY && operations.size() > at && (isThere || !what.equals("delete"))) {
      throw new AccessDeniedException(path.toString());
    }
  }

  private boolean isFull() {
    return fault == Fault.FULL && operations.size() > at;
  }

  private static FileSystemProvider real() {
    return FileSystems.getDefault().provider();
  }

  @Override
  public FileChannel newFileChannel(
      Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes)
      throws IOException {
    requireFiles();
    if (options.contains(StandardOpenOption.WRITE)) {
      change("open", path);
    } else {
      operation("open", path);
    }
    return new Channel(path, real().newFileChannel(real(path), options, attributes));
  }

  private void requireFiles() {
    if (fault == Fault.OBJECTS) {
      throw new UnsupportedOperationException();
    }
  }

  @Override
  public SeekableByteChannel newByteChannel(
      Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes)
      throws IOException {
    return fault == Fault.OBJECTS
        ? new ObjectChannel(real().newByteChannel(real(path), options, attributes))
        : newFileChannel(path, options, attributes);
  }

  @Override
  public DirectoryStream<Path> newDirectoryStream(
      Path folder, DirectoryStream.Filter<? super Path> filter) throws IOException {
    operation("list", folder);
    DirectoryStream<Path> all = real().newDirectoryStream(real(folder), path -> true);
    return new DirectoryStream<>() {
      @Override
      public Iterator<Path> iterator() {
        Iterator<Path> paths = all.iterator();
        return new Iterator<>() {
          @Override
          public boolean hasNext() {
            return paths.hasNext();
          }

          @Override
          public Path next() {
            return path(paths.next());
          }
        };
      }

      @Override
      public void close() throws IOException {
        all.close();
      }
    };
  }

  @Override
  public void createDirectory(Path folder, FileAttribute<?>... attributes) throws IOException {
    change("mkdir", folder);
    real().createDirectory(real(folder), attributes);
  }

  @Override
  public void createLink(Path link, Path existing) throws IOException {
    requireFiles();
    change("link", link);
    real().createLink(real(link), real(existing));
  }

  @Override
  public void delete(Path path) throws IOException {
    change("delete", path);
    real().delete(real(path));
  }

  @Override
  public void copy(Path source, Path target, CopyOption... options) throws IOException {
    change("copy", target);
    real().copy(real(source), real(target), options);
  }

  @Override
  public void move(Path source, Path target, CopyOption... options) throws IOException {
    if (fault == Fault.OBJECTS && List.of(options).contains(StandardCopyOption.ATOMIC_MOVE)) {
      throw new AtomicMoveNotSupportedException(
          source.toString(), target.toString(), "objects are copied");
    }
    change("rename", target);
    real().move(real(source), real(target), options);
  }

  @Override
  public void checkAccess(Path path, AccessMode... modes) throws IOException {
    operation("access", path);
    real().checkAccess(real(path), modes);
  }

  @Override
  public FileStore getFileStore(Path path) throws IOException {
    operation("statfs", path);
    return real().getFileStore(real(path));
  }

  @Override
  public <A extends BasicFileAttributes> A readAttributes(
      Path path, Class<A> type, LinkOption... options) throws IOException {
    operation("stat", path);
    return real().readAttributes(real(path), type, options);
  }

  @Override
  public Map<String, Object> readAttributes(Path path, String attributes, LinkOption... options)
      throws IOException {
    operation("stat", path);
    return real().readAttributes(real(path), attributes, options);
  }

  @Override
  public <V extends FileAttributeView> V getFileAttributeView(
      Path path, Class<V> type, LinkOption... options) {
    return real().getFileAttributeView(real(path), type, options);
  }

  @Override
  public boolean isSameFile(Path one, Path other) throws IOException {
    return real().isSameFile(real(one), real(other));
  }

  @Override
  public boolean isHidden(Path path) throws IOException {
    return real().isHidden(real(path));
  }

  @Override
  public String getScheme() {
    return "faulty";
  }

  @Override
  public Path getPath(URI uri) {
    throw new UnsupportedOperationException();
  }

  @Override
  public FileSystem getFileSystem(URI uri) {
    return system;
  }

  @Override
  public FileSystem newFileSystem(URI uri, Map<String, ?> environment) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void setAttribute(Path path, String attribute, Object value, LinkOption... options) {
    throw new UnsupportedOperationException();
  }

  /** An open file. Its close is no operation: a kill closes all files. */
  private final class Channel extends FileChannel {
    private final Path path;
    private final FileChannel real;

    Channel(Path path, FileChannel real) {
      this.path = path;
      this.real = real;
    }

    @Override
    public int write(ByteBuffer bytes) throws IOException {
      int half = bytes.remaining() / 2;
      if (isFull()) {
        operation("write", path);
        throw new IOException("No space left on device");
      }
      try {
        operation("write", path);
      } catch (IOException e) {
        real.write(bytes.slice(bytes.position(), half));
        throw e;
      }
      if (isFull()) {
        int written = real.write(bytes.slice(bytes.position(), half));
        bytes.position(bytes.position() + written);
        if (written == 0) {
          throw new IOException("No space left on device");
        }
        return written;
      }
      return real.write(bytes);
    }

    @Override
    public void force(boolean metadata) throws IOException {
      operation("fsync", path);
      real.force(metadata);
    }

    @Override
    public int read(ByteBuffer into, long position) throws IOException {
      operation("read", path);
      return real.read(into, position);
    }

    @Override
    public int read(ByteBuffer into) throws IOException {
      operation("read", path);
      return real.read(into);
    }

    @Override
    public long size() throws IOException {
      operation("size", path);
      return real.size();
    }

    @Override
    public long position() throws IOException {
      return real.position();
    }

    @Override
    public FileChannel position(long position) throws IOException {
      real.position(position);
      return this;
    }

    @Override
    protected void implCloseChannel() throws IOException {
      real.close();
    }

    @Override
    public long read(ByteBuffer[] into, int offset, int length) {
      throw new UnsupportedOperationException();
    }

    @Override
    public long write(ByteBuffer[] bytes, int offset, int length) {
      throw new UnsupportedOperationException();
    }

    @Override
    public int write(ByteBuffer bytes, long position) {
      throw new UnsupportedOperationException();
    }

    @Override
    public FileChannel truncate(long size) {
      throw new UnsupportedOperationException();
    }

    @Override
    public long transferTo(long position, long count, WritableByteChannel target) {
      throw new UnsupportedOperationException();
    }

    @Override
    public long transferFrom(ReadableByteChannel source, long position, long count) {
      throw new UnsupportedOperationException();
    }

    @Override
    public MappedByteBuffer map(MapMode mode, long position, long size) {
      throw new UnsupportedOperationException();
    }

    @Override
    public FileLock lock(long position, long size, boolean shared) {
      throw new UnsupportedOperationException();
    }

    @Override
    public FileLock tryLock(long position, long size, boolean shared) throws IOException {
      operation("lock", path);
      return real.tryLock(position, size, shared);
    }
  }
}
