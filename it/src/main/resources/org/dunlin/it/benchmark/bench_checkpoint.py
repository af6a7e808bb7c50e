#!/usr/bin/env python3
"""A training state saved by PyTorch, the peer of Dunlin's checkpoint benchmark: a parameter and two moments of AdamW for each line of a file of numbers of elements.

For each line on stdin it answers with milliseconds:
  save    torch.save into one file, which torch does not fsync; and the same with an fsync
  async   torch.distributed.checkpoint.async_save until it returns, which is as long as training stands; and until the files are written and fsynced
"""
import argparse, os, shutil, sys, time
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp

p = argparse.ArgumentParser()
p.add_argument("--serve", action="store_true")
p.add_argument("--elements", required=True)
p.add_argument("--folder", required=True)
p.add_argument("--threads", type=int, default=1)
a = p.parse_args()

torch.set_num_threads(a.threads)
dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
counts = [int(line) for line in open(a.elements) if line.strip()]
state = {kind: {str(i): torch.rand(n) for i, n in enumerate(counts)} for kind in ("parameter", "exp_avg", "exp_avg_sq")}


def save():
    file = os.path.join(a.folder, "state.pt")
    t = time.perf_counter()
    with open(file, "wb") as f:
        torch.save(state, f)
        f.flush()
        saved = time.perf_counter()
        os.fsync(f.fileno())
    durable = time.perf_counter()
    os.remove(file)
    return saved - t, durable - t


def async_save():
    folder = os.path.join(a.folder, "dcp")
    t = time.perf_counter()
    future = dcp.async_save(state, checkpoint_id=folder)
    returned = time.perf_counter()
    future.result()
    done = time.perf_counter()
    shutil.rmtree(folder)
    return returned - t, done - t


save()
async_save()
print("ready", flush=True)
for line in sys.stdin:
    print(" ".join(f"{1e3 * s:.3f}" for s in (save if line.strip() == "save" else async_save)()), flush=True)
dist.destroy_process_group()
