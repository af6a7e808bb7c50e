# Scores of a tile of queries against passages, the loss of a tile's rows, and gradients. A tile's
# queries meet all passages of their pool, in products of fixed bounds: memory grows with the batch
# and not with its square.
#   scale:   float64 [temperature]
#   columns: int64 [first passage, end, passages of one product]

# One score matrix a view: views, int64, are bounds of columns in queries and passages.
# queries: [n, width]; passages: [p, width] -> views x [n, end - first]
def dense_scores(self: __torch__.Dunlin, scale: Tensor, views: Tensor, columns: Tensor, queries: Tensor, passages: Tensor) -> List[Tensor]:
  temperature = float(torch.select(scale, 0, 0))
  first = int(torch.select(columns, 0, 0))
  end = int(torch.select(columns, 0, 1))
  each = int(torch.select(columns, 0, 2))
  out = annotate(List[Tensor], [])
  for v in range(torch.sub(torch.numel(views), 1)):
    a = int(torch.select(views, 0, v))
    b = int(torch.select(views, 0, torch.add(v, 1)))
    q = torch.slice(queries, 1, a, b)
    parts = annotate(List[Tensor], [])
    for i in range(torch.floordiv(torch.sub(torch.add(torch.sub(end, first), each), 1), each)):
      at = torch.add(first, torch.mul(i, each))
      p = torch.slice(torch.slice(passages, 0, at, ops.prim.min(torch.add(at, each), end)), 1, a, b)
      torch.append(parts, torch.div(torch.matmul(q, torch.t(p)), temperature))
    torch.append(out, torch.cat(parts, 1))
  return out

# d: one upstream gradient a view. Adds to into, [p, width]; gives d/d queries [n, width].
def dense_gradients(self: __torch__.Dunlin, scale: Tensor, views: Tensor, columns: Tensor, queries: Tensor, passages: Tensor, into: Tensor, d: List[Tensor]) -> List[Tensor]:
  temperature = float(torch.select(scale, 0, 0))
  first = int(torch.select(columns, 0, 0))
  end = int(torch.select(columns, 0, 1))
  each = int(torch.select(columns, 0, 2))
  of_queries = torch.zeros_like(queries)
  for v in range(torch.sub(torch.numel(views), 1)):
    a = int(torch.select(views, 0, v))
    b = int(torch.select(views, 0, torch.add(v, 1)))
    q = torch.slice(queries, 1, a, b)
    for i in range(torch.floordiv(torch.sub(torch.add(torch.sub(end, first), each), 1), each)):
      at = torch.add(first, torch.mul(i, each))
      to = ops.prim.min(torch.add(at, each), end)
      p = torch.slice(torch.slice(passages, 0, at, to), 1, a, b)
      t = torch.div(torch.slice(d[v], 1, torch.sub(at, first), torch.sub(to, first)), temperature)
      torch.add_(torch.slice(of_queries, 1, a, b), torch.matmul(t, p))
      torch.add_(torch.slice(torch.slice(into, 0, at, to), 1, a, b), torch.matmul(torch.t(t), q))
  return [of_queries]

# Max-sim of token vectors: the mean over a query's vectors of the best product with a passage's.
#   counts: float32 [n], vectors of each query; queries: [v, width]; passages: [w, width]
#   query_places: int64 [n, longest], rows of queries, -1 at padding; passage_places: [p, longest]
#   floors: int64 [p], 1 where a product below 0 counts as 0
def vector_scores(self: __torch__.Dunlin, scale: Tensor, counts: Tensor, query_places: Tensor, passage_places: Tensor, floors: Tensor, queries: Tensor, passages: Tensor) -> List[Tensor]:
  q = (self).picked(queries, query_places)
  p = (self).picked(passages, passage_places)
  return [(self).max_sims(scale, counts, query_places, passage_places, floors, q, p)]

# d: upstream [n, p]. Adds to of_queries and of_passages, which lie as queries and passages do.
def vector_gradients(self: __torch__.Dunlin, scale: Tensor, counts: Tensor, query_places: Tensor, passage_places: Tensor, floors: Tensor, queries: Tensor, passages: Tensor, d: Tensor, of_queries: Tensor, of_passages: Tensor) -> List[Tensor]:
  q = torch.requires_grad_((self).picked(queries, query_places))
  p = torch.requires_grad_((self).picked(passages, passage_places))
  s = (self).max_sims(scale, counts, query_places, passage_places, floors, q, p)
  found = (self).backward([s], [q, p], [d])
  (self).put(of_queries, query_places, found[0])
  (self).put(of_passages, passage_places, found[1])
  return [d]

def picked(self: __torch__.Dunlin, rows: Tensor, places: Tensor) -> Tensor:
  if torch.eq(torch.size(rows, 0), 0):
    return torch.zeros([torch.numel(places), torch.size(rows, 1)], device=ops.prim.device(rows))
  return torch.detach(torch.index_select(rows, 0, torch.clamp_min(torch.reshape(places, [-1]), 0)))

def put(self: __torch__.Dunlin, into: Tensor, places: Tensor, values: Tensor) -> Tensor:
  flat = torch.reshape(places, [-1])
  held = torch.squeeze(torch.nonzero(torch.ge(flat, 0)), 1)
  return torch.index_add_(torch.detach(into), 0, torch.index_select(flat, 0, held), torch.index_select(values, 0, held))

# q: [n * longest, width]; p: [p * longest, width] -> [n, p]
def max_sims(self: __torch__.Dunlin, scale: Tensor, counts: Tensor, query_places: Tensor, passage_places: Tensor, floors: Tensor, q: Tensor, p: Tensor) -> Tensor:
  each = torch.view(torch.matmul(q, torch.t(p)), [torch.size(q, 0), torch.size(passage_places, 0), torch.size(passage_places, 1)])
  each = torch.masked_fill(each, torch.unsqueeze(torch.lt(passage_places, 0), 0), -inf)
  best, at, = torch.max(each, 2)
  best = torch.masked_fill(best, torch.logical_and(torch.eq(floors, 1), torch.lt(best, 0)), 0.)
  best = torch.view(best, [torch.size(query_places, 0), torch.size(query_places, 1), -1])
  best = torch.mul(best, torch.unsqueeze(torch.to(torch.ge(query_places, 0), 6), 2))
  return torch.div(torch.sum(best, [1]), torch.unsqueeze(torch.mul(counts, float(torch.select(scale, 0, 0))), 1))

# The loss of a tile's rows, summed and weighted, in float64; then its gradient of each score matrix.
#   config:  int64 [distillation, unified, self-distillation, group size, local]; distillation
#            0 = none, 1 = kl_div, 2 = m3_kd_loss; local: a row's own group alone counts
#   weight:  float64 [what a row counts]
#   own:     int64 [n], column of each row's positive; its negatives are the next ones
#   teacher: float32 [n, group], raw scores, or empty
#   hashes:  int64 [p], equal for equal texts, or empty: then no duplicate is masked
#   scores:  one matrix [n, p] a view; if unified dense, sparse, multi-vector
def loss_rows(self: __torch__.Dunlin, config: Tensor, weight: Tensor, own: Tensor, teacher: Tensor, hashes: Tensor, scores: List[Tensor]) -> List[Tensor]:
  how = int(torch.select(config, 0, 0))
  unified = torch.eq(int(torch.select(config, 0, 1)), 1)
  group = int(torch.select(config, 0, 3))
  local = torch.eq(int(torch.select(config, 0, 4)), 1)
  leaves = annotate(List[Tensor], [])
  s = annotate(List[Tensor], [])
  for i in range(torch.len(scores)):
    leaf = torch.requires_grad_(torch.detach(scores[i]))
    torch.append(leaves, leaf)
    torch.append(s, leaf)
  if unified:
    torch.append(s, torch.add(torch.add(s[0], torch.mul(s[1], 0.3)), s[2]))
  columns = torch.add(torch.unsqueeze(own, 1), torch.unsqueeze(torch.arange(group, device=ops.prim.device(own)), 0))
  for i0 in range(torch.len(s)):
    if torch.gt(torch.numel(hashes), 0):
      torch._set_item(s, i0, torch.masked_fill(s[i0], (self).duplicates(how, own, columns, hashes), -1.e30))
    if local:
      torch._set_item(s, i0, torch.gather(s[i0], 1, columns))
  if local:
    columns = torch.expand(torch.unsqueeze(torch.arange(group, device=ops.prim.device(own)), 0), [torch.size(own, 0), group])
  parts = annotate(List[Tensor], [])
  for i1 in range(torch.len(s)):
    torch.append(parts, (self).loss_of(how, s[i1], columns, teacher))
  if unified:
    total = torch.div(torch.add(torch.add(torch.add(parts[0], parts[3]), torch.mul(parts[1], 0.1)), parts[2]), 4.)
    if torch.eq(int(torch.select(config, 0, 2)), 1):
      aim = torch.softmax(torch.detach(s[3]), 1)
      taught = torch.add(torch.add((self).taught(aim, s[0]), torch.mul((self).taught(aim, s[1]), 0.1)), (self).taught(aim, s[2]))
      total = torch.div(torch.add(total, torch.div(taught, 3.)), 2.)
  else:
    total = torch.div(torch.sum(torch.stack(parts)), float(torch.len(parts)))
  loss = torch.mul(total, float(torch.select(weight, 0, 0)))
  found = (self).backward([loss], leaves, [torch.ones_like(loss)])
  return torch.add([torch.detach(loss)], found)

# Where a passage has the text of the row's own positive. Under distillation the own group stays.
def duplicates(self: __torch__.Dunlin, how: int, own: Tensor, columns: Tensor, hashes: Tensor) -> Tensor:
  same = torch.eq(torch.unsqueeze(hashes, 0), torch.unsqueeze(torch.index_select(hashes, 0, own), 1))
  stay = columns
  if torch.eq(how, 0):
    stay = torch.unsqueeze(own, 1)
  return torch.scatter(same, 1, stay, False)

# Sum over rows of one head's loss. columns: int64 [n, group], those of the own group.
def loss_of(self: __torch__.Dunlin, how: int, s: Tensor, columns: Tensor, teacher: Tensor) -> Tensor:
  group = torch.gather(s, 1, columns)
  if torch.eq(how, 2):
    # Term i is the cross entropy with the group's passage i, seen by neither the positive nor the
    # negatives before it; rest is what all of them see.
    rest = torch.logsumexp(torch.scatter(s, 1, columns, -1.e30), [1], True)
    aim = torch.softmax(teacher, 1)
    sum = torch.zeros(annotate(List[int], []), dtype=7)
    for i in range(torch.size(group, 1)):
      seen = torch.cat([rest, torch.slice(group, 1, i)], 1)
      term = torch.sub(torch.logsumexp(seen, [1]), torch.select(group, 1, i))
      sum = torch.add(sum, torch.sum(torch.to(torch.mul(torch.select(aim, 1, i), term), 7)))
    return sum
  contrast = torch.sum(torch.to(torch.sub(torch.logsumexp(s, [1]), torch.select(group, 1, 0)), 7))
  if torch.eq(how, 1):
    return torch.add(contrast, (self).taught(torch.softmax(teacher, 1), group))
  return contrast

# Cross entropy with soft targets, summed over rows.
def taught(self: __torch__.Dunlin, aim: Tensor, s: Tensor) -> Tensor:
  return torch.neg(torch.sum(torch.to(torch.mul(aim, torch.log_softmax(s, 1)), 7)))
