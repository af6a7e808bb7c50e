# What only inference needs, without a graph; arguments as in encoder.py.

# A reranker's raw scores of pairs, [rows]. w ends with its two linear layers (2 each). seconds: int64
# [rows], where a pair's second text begins; empty where the model tells no token types apart.
def rank(self: __torch__.Dunlin, config: Tensor, eps: Tensor, ids: Tensor, lengths: Tensor, keys: Tensor, word: Tensor, seconds: Tensor, w: List[Tensor]) -> Tensor:
  looked = torch.embedding(word, ids)
  if torch.gt(torch.numel(seconds), 0):
    # The encoder adds type 0 to every token.
    more = torch.sub(torch.select(w[1], 0, 1), torch.select(w[1], 0, 0))
    at = torch.unsqueeze(torch.arange(torch.size(ids, 1), device=ops.prim.device(ids)), 0)
    second = torch.to(torch.ge(at, torch.unsqueeze(seconds, 1)), 6)
    looked = torch.add(looked, torch.mul(torch.unsqueeze(second, 2), more))
  x = torch.select((self).hidden_states(config, eps, looked, lengths, keys, w), 1, 0)
  end = torch.len(w)
  x = torch.tanh(torch.linear(x, w[torch.sub(end, 4)], w[torch.sub(end, 3)]))
  return torch.contiguous(torch.squeeze(torch.linear(x, w[torch.sub(end, 2)], w[torch.sub(end, 1)]), 1))

# The mean over a query's token vectors q [n, width] of the best product with a passage's, p
# [m, width] -> [1]. floor: int64 [1], 1 where a product below 0 counts as 0.
def max_sim(self: __torch__.Dunlin, floor: Tensor, q: Tensor, p: Tensor) -> Tensor:
  total = torch.zeros([1], device=ops.prim.device(q))
  for i in range(torch.floordiv(torch.add(torch.size(q, 0), 1023), 1024)):
    at = torch.mul(i, 1024)
    best = torch.amax(torch.matmul(torch.slice(q, 0, at, torch.add(at, 1024)), torch.t(p)), [1])
    if torch.eq(int(floor), 1):
      best = torch.relu(best)
    torch.add_(total, torch.sum(best))
  return torch.div(total, torch.size(q, 0))
