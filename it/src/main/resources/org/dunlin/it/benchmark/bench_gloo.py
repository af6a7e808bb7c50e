"""One process of a gloo group: RANK WORLD PORT. Reads "ar FLOATS" (all-reduce in place) or
"ag FLOATS" (all-gather, FLOATS a process) from standard input, answers with milliseconds."""
import sys
import time

import torch
import torch.distributed as dist

rank, world, port = map(int, sys.argv[1:4])
torch.set_num_threads(1)
dist.init_process_group(
    "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world
)
print("ready", flush=True)
cache = {}
for line in sys.stdin:
    what, n = line.split()
    n = int(n)
    if (what, n) not in cache:
        cache[what, n] = (
            torch.full((n,), (rank + 1) * 0.1),
            [torch.empty(n) for _ in range(world)] if what == "ag" else None,
        )
    own, parts = cache[what, n]
    if what == "ar":
        own.fill_((rank + 1) * 0.1)
    dist.barrier()
    start = time.perf_counter()
    if what == "ar":
        dist.all_reduce(own)
    else:
        dist.all_gather(parts, own)
    print((time.perf_counter() - start) * 1e3, flush=True)
