"""One worker of a run under torchrun: DDP over gloo, a checkpoint every EVERY steps, as PyTorch's
elastic training has it. Arguments: MODEL_FOLDER WORK_FOLDER EVERY ROWS. Prints "pid RANK PID" and,
as rank 0, "step N" after each update. The batch is made of random ids of a fixed shape."""
import os
import sys

import torch
import torch.distributed as dist
from torch.nn.functional import cross_entropy, normalize
from torch.nn.parallel import DistributedDataParallel
from transformers import AutoConfig, AutoModel

model_folder, work, every, rows = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(1)
# The store of torchrun itself may still name a process of the life before.
life = os.environ["TORCHELASTIC_RESTART_COUNT"]
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
dist.init_process_group("gloo", init_method=f"file://{work}/store-{life}", rank=rank, world_size=world)
os.write(1, f"pid {rank} {os.getpid()}\n".encode())  # whole lines: others write here too

torch.manual_seed(1)
config = AutoConfig.from_pretrained(model_folder)
encoder = DistributedDataParallel(AutoModel.from_config(config), find_unused_parameters=True)
optimizer = torch.optim.AdamW(encoder.parameters(), lr=2e-5)
checkpoint, step = f"{work}/checkpoint.pt", 0
if os.path.exists(checkpoint):
    saved = torch.load(checkpoint)
    encoder.load_state_dict(saved["encoder"])
    optimizer.load_state_dict(saved["optimizer"])
    step = saved["step"]

queries = max(1, rows // world)
while True:
    draws = torch.Generator().manual_seed(1000 * step + rank)
    ids = torch.randint(0, config.vocab_size, (2 * queries, 40), generator=draws)
    vectors = normalize(encoder(ids).last_hidden_state[:, 0], dim=-1)
    scores = vectors[:queries] @ vectors[queries:].T / 0.05
    cross_entropy(scores, torch.arange(queries)).backward()
    optimizer.step()
    optimizer.zero_grad()
    step += 1
    if rank == 0:
        if step % every == 0:
            state = {"encoder": encoder.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
            torch.save(state, checkpoint + ".next")
            os.replace(checkpoint + ".next", checkpoint)
        os.write(1, f"step {step}\n".encode())
