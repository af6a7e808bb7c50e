# Copies between the host's memory and a device's, through page-locked (pinned) memory where that is
# a CUDA device; on the processor they are plain copies. Pinned blocks come from libtorch's pool,
# which keeps them and gives none out again before its copy is done.

# Copies of small arrays on the device of `there`.
def to_device(self: __torch__.Dunlin, there: Tensor, host: List[Tensor]) -> List[Tensor]:
  staged = annotate(List[Tensor], [])
  for i in range(torch.len(host)):
    h = (self).pinned(host[i], there)
    torch.append(staged, torch.to(h, ops.prim.device(there), ops.prim.dtype(h), True, True))
  return staged

# Copies of float32 results in the host's memory, complete when this returns.
def to_host(self: __torch__.Dunlin, found: List[Tensor]) -> List[Tensor]:
  staged = annotate(List[Tensor], [])
  for i in range(torch.len(found)):
    f = torch.detach(found[i])
    h = torch.empty(torch.size(f), dtype=6, layout=None, device=torch.device("cpu"), pin_memory=ops.prim.is_cuda(f))
    torch.append(staged, torch.copy_(h, f))
  return staged

# Brings the copies of all parameters up to date: host [word, *w] -> word, w.
def refresh(self: __torch__.Dunlin, word: Tensor, host: List[Tensor], w: List[Tensor]) -> Tensor:
  word = (self).copy_pieces(word, host[0])
  for i in range(torch.len(w)):
    copied = (self).copy_pieces(w[i], host[torch.add(i, 1)])
  return word

# In pieces of 64 MiB, one after the other, so that no more is pinned.
def copy_pieces(self: __torch__.Dunlin, into: Tensor, host: Tensor) -> Tensor:
  to = torch.view(torch.detach(into), [-1])
  source = torch.view(host, [-1])
  for i in range(torch.floordiv(torch.add(torch.numel(source), 16777215), 16777216)):
    at = torch.mul(i, 16777216)
    piece = (self).pinned(torch.slice(source, 0, at, torch.add(at, 16777216)), into)
    copied = torch.copy_(torch.slice(to, 0, at, torch.add(at, 16777216)), piece)
  return into

def pinned(self: __torch__.Dunlin, host: Tensor, there: Tensor) -> Tensor:
  if torch.__and__(ops.prim.is_cuda(there), torch.gt(torch.numel(host), 0)):
    host = torch.pin_memory(host)
  return host
