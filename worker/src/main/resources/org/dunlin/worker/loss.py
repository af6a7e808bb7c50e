# In-batch contrastive loss of one slot: its queries against all passages of the global batch.
#   scale:    float64 [temperature, queries of the global batch]
#   queries:  [n, hidden]; passages: [p, hidden]; targets: int64 [n], column of the own positive
#   hashes:   int64 [p], equal for equal texts, or empty: then nothing is masked
# Gives the slot's share of the mean loss (float64), its gradients d/d queries, d/d passages, scores.

def contrast(self: __torch__.Dunlin, scale: Tensor, queries: Tensor, passages: Tensor, targets: Tensor, hashes: Tensor) -> List[Tensor]:
  temperature = float(torch.select(scale, 0, 0))
  count = float(torch.select(scale, 0, 1))
  own = torch.unsqueeze(targets, 1)
  s = torch.div(torch.matmul(queries, torch.t(passages)), temperature)
  if torch.gt(torch.numel(hashes), 0):
    same = torch.eq(torch.unsqueeze(hashes, 0), torch.unsqueeze(torch.index_select(hashes, 0, targets), 1))
    s = torch.masked_fill(s, torch.scatter(same, 1, own, False), -inf)
  total = torch.logsumexp(s, [1], True)
  loss = torch.div(torch.sum(torch.to(torch.sub(total, torch.gather(s, 1, own)), 7)), count)
  d = torch.exp(torch.sub(s, total))
  d = torch.scatter_add(d, 1, own, torch.full_like(total, -1.))
  d = torch.div(d, torch.mul(count, temperature))
  return [loss, torch.matmul(d, passages), torch.matmul(torch.t(d), queries), s]
