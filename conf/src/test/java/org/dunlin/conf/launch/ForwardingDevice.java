package org.dunlin.conf.launch;

import java.nio.FloatBuffer;
import java.util.List;
import java.util.Map;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.Scalars;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.member.Device;
import org.dunlin.worker.step.StepCompute;

/** A real device, of which a test changes what it wants to. Closes what it forwards to. */
class ForwardingDevice implements Device {
  protected final StepCompute to;

  ForwardingDevice(StepCompute to) {
    this.to = to;
  }

  @Override
  public StepResult compute(
      StepHeader header,
      List<SlotBatch> own,
      Exchange exchange,
      int[] slotBounds,
      Recompute recompute) {
    return to.compute(header, own, exchange, slotBounds, recompute);
  }

  @Override
  public Map<String, Long> parameters() {
    return to.parameters();
  }

  @Override
  public long moments() {
    return to.moments();
  }

  @Override
  public void restore(long steps, Scalars scalars) {
    to.restore(steps, scalars);
  }

  @Override
  public void write(Kind kind, String tensor, long firstElement, FloatBuffer values) {
    to.write(kind, tensor, firstElement, values);
  }

  @Override
  public void read(String parameter, long firstElement, FloatBuffer into) {
    to.read(parameter, firstElement, into);
  }

  @Override
  public Lesson teach(int share, int shares) {
    return to.teach(share, shares);
  }

  @Override
  public Study study(int shares) {
    return to.study(shares);
  }

  @Override
  public Snapshot snapshot(int share, int shares) {
    return to.snapshot(share, shares);
  }

  @Override
  public Scalars scalars() {
    return to.scalars();
  }

  @Override
  public void apply(long step) {
    to.apply(step);
  }

  @Override
  public void close() {
    to.close();
  }
}
