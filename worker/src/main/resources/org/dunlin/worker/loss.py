# The losses of one slot's dense embeddings: its queries against all passages of the global batch.
#   scale:    float64 [temperature, queries of the global batch]
#   how:      int64 [in-batch negatives 0|1, distillation 0 = none | 1 = kl_div | 2 = m3_kd_loss, normalise 0|1]
#   queries:  [n, hidden]; passages: [p, hidden]; own: int64 [n, group], columns of the own passages
#   hashes:   int64 [p], equal for equal texts, or empty: then nothing is masked
#   teacher:  float32 [n, group], softmax of the teacher's scores, or empty
#   dims:     int64, widths of matryoshka training, or empty
# Gives the slot's share of the mean loss (float64) and its gradients d/d queries, d/d passages.

def contrast(self: __torch__.Dunlin, scale: Tensor, how: Tensor, queries: Tensor, passages: Tensor, own: Tensor, hashes: Tensor, teacher: Tensor, dims: Tensor) -> List[Tensor]:
  widths = torch.numel(dims)
  if torch.eq(widths, 0):
    return (self).one_width(scale, how, queries, passages, own, hashes, teacher)
  loss = torch.zeros([1], dtype=7)
  dq = torch.zeros_like(queries)
  dp = torch.zeros_like(passages)
  for i in range(widths):
    width = int(torch.select(dims, 0, i))
    q = torch.slice(queries, 1, 0, width)
    p = torch.slice(passages, 1, 0, width)
    if torch.eq(int(torch.select(how, 0, 2)), 1):
      q = (self).unit(q)
      p = (self).unit(p)
    part = (self).one_width(scale, how, torch.contiguous(q), torch.contiguous(p), own, hashes, teacher)
    loss = torch.add(loss, torch.div(part[0], float(widths)))
    gq = torch.div(part[1], float(widths))
    gp = torch.div(part[2], float(widths))
    if torch.eq(int(torch.select(how, 0, 2)), 1):
      gq = (self).through_unit(gq, torch.slice(queries, 1, 0, width), q)
      gp = (self).through_unit(gp, torch.slice(passages, 1, 0, width), p)
    torch.add_(torch.slice(dq, 1, 0, width), gq)
    torch.add_(torch.slice(dp, 1, 0, width), gp)
  return [loss, dq, dp]

# Rows scaled to length 1, and a gradient's way back through that.
def unit(self: __torch__.Dunlin, x: Tensor) -> Tensor:
  return torch.div(x, torch.clamp_min(torch.norm(x, 2, [1], True), 1.e-12))

def through_unit(self: __torch__.Dunlin, g: Tensor, x: Tensor, y: Tensor) -> Tensor:
  along = torch.sum(torch.mul(g, y), [1], True)
  return torch.div(torch.sub(g, torch.mul(y, along)), torch.clamp_min(torch.norm(x, 2, [1], True), 1.e-12))

def one_width(self: __torch__.Dunlin, scale: Tensor, how: Tensor, queries: Tensor, passages: Tensor, own: Tensor, hashes: Tensor, teacher: Tensor) -> List[Tensor]:
  temperature = float(torch.select(scale, 0, 0))
  count = float(torch.select(scale, 0, 1))
  in_batch = torch.eq(int(torch.select(how, 0, 0)), 1)
  distillation = int(torch.select(how, 0, 1))
  group = torch.size(own, 1)
  scores = torch.div(torch.matmul(queries, torch.t(passages)), temperature)
  # The rows that are normalised: all passages, or each query's own ones alone.
  s = scores
  at = own
  if in_batch:
    if torch.gt(torch.numel(hashes), 0):
      positive = torch.index_select(hashes, 0, torch.select(own, 1, 0))
      same = torch.eq(torch.unsqueeze(hashes, 0), torch.unsqueeze(positive, 1))
      # A teacher has judged the own passages; without one only the positive stays.
      kept = torch.slice(own, 1, 0, 1)
      if torch.gt(distillation, 0):
        kept = own
      s = torch.masked_fill(s, torch.scatter(same, 1, kept, False), -inf)
  else:
    s = torch.gather(scores, 1, own)
    at = torch.expand(torch.unsqueeze(torch.arange(group), 0), torch.size(own))
  if torch.eq(distillation, 2):
    # Each own passage in turn as the positive, weighted by the teacher, without those before it.
    loss = torch.zeros([1], dtype=7)
    d = torch.zeros_like(s)
    left = s
    for i in range(group):
      target = torch.slice(at, 1, i, torch.add(i, 1))
      weight = torch.slice(teacher, 1, i, torch.add(i, 1))
      sum = torch.logsumexp(left, [1], True)
      loss = torch.add(loss, torch.sum(torch.to(torch.mul(weight, torch.sub(sum, torch.gather(left, 1, target))), 7)))
      d = torch.add(d, torch.mul(weight, torch.exp(torch.sub(left, sum))))
      d = torch.scatter_add(d, 1, target, torch.neg(weight))
      left = torch.scatter(left, 1, target, -inf)
    loss = torch.squeeze(torch.div(loss, count))
  else:
    total = torch.logsumexp(s, [1], True)
    positive = torch.slice(at, 1, 0, 1)
    loss = torch.div(torch.sum(torch.to(torch.sub(total, torch.gather(s, 1, positive)), 7)), count)
    d = torch.exp(torch.sub(s, total))
    d = torch.scatter_add(d, 1, positive, torch.full_like(total, -1.))
    if torch.eq(distillation, 1):
      # Cross entropy with the teacher's softmax over the own passages, added to the contrast.
      local = torch.gather(s, 1, at)
      soft = torch.log_softmax(local, 1)
      loss = torch.sub(loss, torch.div(torch.sum(torch.to(torch.mul(teacher, soft), 7)), count))
      d = torch.scatter_add(d, 1, at, torch.sub(torch.mul(torch.exp(soft), torch.sum(teacher, [1], True)), teacher))
  d = torch.div(d, torch.mul(count, temperature))
  if torch.__not__(in_batch):
    d = torch.scatter(torch.zeros_like(scores), 1, own, d)
  return [loss, torch.matmul(d, passages), torch.matmul(torch.t(d), queries)]
