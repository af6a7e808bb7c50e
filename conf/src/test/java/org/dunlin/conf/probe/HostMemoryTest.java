package org.dunlin.conf.probe;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class HostMemoryTest {
  private static final String MEMINFO = "MemTotal: 4000 kB\nMemAvailable:  3000 kB\n";
  private static final long AVAILABLE = 3000L << 10;

  @TempDir private Path root;

  @Test
  void shouldTakeWhatTheMachineHasWhereNoGroupLimitsIt() throws IOException {
    write("proc/meminfo", MEMINFO);
    write("proc/self/cgroup", "1:cpu:/\n0::/a/b\n");
    write("sys/fs/cgroup/a/b/memory.max", "max\n");
    write("sys/fs/cgroup/a/b/memory.current", "500\n");

    assertThat(new HostMemory(root).availableBytes()).hasValue(AVAILABLE);
  }

  @Test
  void shouldTakeTheGroupThatLeavesLeastAndCountItsCacheAsFree() throws IOException {
    write("proc/meminfo", MEMINFO);
    write("proc/self/cgroup", "0::/a/b\n");
    write("sys/fs/cgroup/a/b/memory.max", "900000\n");
    write("sys/fs/cgroup/a/b/memory.current", "100000\n");
    write("sys/fs/cgroup/a/memory.max", "700000\n");
    write("sys/fs/cgroup/a/memory.current", "600000\n");
    write("sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 50000\n");

    assertThat(new HostMemory(root).availableBytes()).hasValue(150_000);
  }

  @Test
  void shouldObeyGroupsOfTheFirstVersionAndPathsThatExistOnlyOutside() throws IOException {
    write("proc/meminfo", MEMINFO);
    write("proc/self/cgroup", "4:cpuacct,memory:/docker/0123\n0::/\n");
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", "800000\n");
    write("sys/fs/cgroup/memory/memory.usage_in_bytes", "900000\n");
    write("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 300000\n");

    assertThat(new HostMemory(root).availableBytes()).hasValue(200_000);
  }

  @Test
  void shouldSayNothingOfASystemThatTellsNothing() {
    assertThat(new HostMemory(root).availableBytes()).isEmpty();
    assertThat(new HostMemory(root).peakBytes()).isEmpty();
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void shouldKnowThisMachine() {
    HostMemory here = new HostMemory();
    long resident = here.residentBytes().orElseThrow();

    assertThat(here.availableBytes().orElseThrow()).isPositive();
    assertThat(here.peakBytes().orElseThrow()).isGreaterThanOrEqualTo(resident);
  }

  private void write(String file, String text) throws IOException {
    Files.createDirectories(root.resolve(file).getParent());
    Files.writeString(root.resolve(file), text);
  }
}
