# The encoder of BERT and XLM-RoBERTa. Weights are arguments, in the order of EncoderTensors without
# the word embedding: positions, token types, LayerNorm (2), then 16 tensors a layer.
#   config: int64 [heads, first position, pooling, normalise, hidden dropout, attention dropout];
#           pooling 0 = cls, 1 = mean, 2 = last token; dropout in 1/65536
#   eps:    float64 [LayerNorm epsilon]
#   ids:    int64 [rows, tokens], padded with the pad id; lengths: int64 [rows], real tokens
#   keys:   int64 [rows], one random key a row for dropout; empty outside of training

def encode(self: __torch__.Dunlin, config: Tensor, eps: Tensor, ids: Tensor, lengths: Tensor, keys: Tensor, word: Tensor, w: List[Tensor]) -> List[Tensor]:
  looked = torch.requires_grad_(torch.detach(torch.embedding(word, ids)))
  dense = (self).pool(config, (self).hidden_states(config, eps, looked, lengths, keys, w), lengths)
  return [dense, looked]

# Without a graph, for inference.
def embed(self: __torch__.Dunlin, config: Tensor, eps: Tensor, ids: Tensor, lengths: Tensor, keys: Tensor, word: Tensor, w: List[Tensor]) -> List[Tensor]:
  looked = torch.embedding(word, ids)
  dense = (self).pool(config, (self).hidden_states(config, eps, looked, lengths, keys, w), lengths)
  return [dense]

# looked: [rows, tokens, hidden] -> [rows, tokens, hidden], 0 at padding.
# Between the layers only real tokens exist, x: [n, hidden]; attention alone sees padded rows.
def hidden_states(self: __torch__.Dunlin, config: Tensor, eps: Tensor, looked: Tensor, lengths: Tensor, keys: Tensor, w: List[Tensor]) -> Tensor:
  rows = torch.size(looked, 0)
  tokens = torch.size(looked, 1)
  hidden = torch.size(looked, 2)
  heads = int(torch.select(config, 0, 0))
  first = int(torch.select(config, 0, 1))
  epsilon = float(torch.select(eps, 0, 0))
  drop_hidden = 0
  drop_attention = 0
  if torch.gt(torch.numel(keys), 0):
    drop_hidden = int(torch.select(config, 0, 4))
    drop_attention = int(torch.select(config, 0, 5))
  place = torch.unsqueeze(torch.arange(tokens), 0)
  real = torch.lt(place, torch.unsqueeze(lengths, 1))
  x = torch.reshape(looked, [-1, hidden])
  at = torch.reshape(torch.expand(place, [rows, tokens]), [-1])
  token_keys = keys
  visible = annotate(Optional[Tensor], None)
  held = annotate(Optional[Tensor], None)
  if torch.lt(int(torch.min(lengths)), tokens):
    visible = torch.unsqueeze(torch.unsqueeze(real, 1), 1)
    where = torch.squeeze(torch.nonzero(torch.reshape(real, [-1])), 1)
    held = where
    x = torch.index_select(x, 0, where)
    at = torch.index_select(at, 0, where)
  if torch.gt(torch.numel(keys), 0):
    token_keys = torch.repeat_interleave(keys, lengths)
  x = torch.add(x, torch.select(w[1], 0, 0))
  x = torch.add(x, torch.embedding(w[0], torch.add(at, first)))
  x = torch.layer_norm(x, [hidden], w[2], w[3], epsilon)
  x = (self).drop(x, token_keys, at, 0, drop_hidden)
  layers = torch.floordiv(torch.sub(torch.len(w), 4), 16)
  split = [rows, tokens, heads, torch.floordiv(hidden, heads)]
  for layer in range(layers):
    b = torch.add(4, torch.mul(layer, 16))
    q = (self).spread(torch.linear(x, w[b], w[torch.add(b, 1)]), held, split)
    k = (self).spread(torch.linear(x, w[torch.add(b, 2)], w[torch.add(b, 3)]), held, split)
    v = (self).spread(torch.linear(x, w[torch.add(b, 4)], w[torch.add(b, 5)]), held, split)
    site = torch.add(1, torch.mul(layer, 3))
    if torch.eq(drop_attention, 0):
      a = torch.scaled_dot_product_attention(q, k, v, visible)
    else:
      a = (self).attend(q, k, v, visible, keys, site, drop_attention)
    a = torch.reshape(torch.transpose(a, 1, 2), [-1, hidden])
    if torch.__isnot__(held, None):
      a = torch.index_select(a, 0, unchecked_cast(Tensor, held))
    a = torch.linear(a, w[torch.add(b, 6)], w[torch.add(b, 7)])
    a = (self).drop(a, token_keys, at, torch.add(site, 1), drop_hidden)
    x = torch.layer_norm(torch.add(a, x), [hidden], w[torch.add(b, 8)], w[torch.add(b, 9)], epsilon)
    f = torch.gelu(torch.linear(x, w[torch.add(b, 10)], w[torch.add(b, 11)]))
    f = torch.linear(f, w[torch.add(b, 12)], w[torch.add(b, 13)])
    f = (self).drop(f, token_keys, at, torch.add(site, 2), drop_hidden)
    x = torch.layer_norm(torch.add(f, x), [hidden], w[torch.add(b, 14)], w[torch.add(b, 15)], epsilon)
  return torch.reshape((self).pad(x, held, torch.mul(rows, tokens)), [rows, tokens, hidden])

# [n, hidden] -> [places, hidden], 0 where nothing is held.
def pad(self: __torch__.Dunlin, x: Tensor, held: Optional[Tensor], places: int) -> Tensor:
  if torch.__isnot__(held, None):
    return torch.index_copy(torch.zeros([places, torch.size(x, 1)]), 0, unchecked_cast(Tensor, held), x)
  return x

# [n, hidden] -> [rows, heads, tokens, hidden / heads]
def spread(self: __torch__.Dunlin, x: Tensor, held: Optional[Tensor], split: List[int]) -> Tensor:
  return torch.transpose(torch.view((self).pad(x, held, torch.mul(split[0], split[1])), split), 1, 2)

# Attention written out, because the dropout inside the fused kernel takes no generator.
def attend(self: __torch__.Dunlin, q: Tensor, k: Tensor, v: Tensor, visible: Optional[Tensor], keys: Tensor, site: int, drop: int) -> Tensor:
  heads = torch.size(q, 1)
  tokens = torch.size(q, 2)
  scale = torch.pow(float(torch.size(q, 3)), -0.5)
  s = torch.mul(torch.matmul(q, torch.transpose(k, 2, 3)), scale)
  if torch.__isnot__(visible, None):
    s = torch.masked_fill(s, torch.logical_not(unchecked_cast(Tensor, visible)), -inf)
  p = torch.softmax(s, 3)
  # A draw's number is (head, query position, key position), whatever the padded length.
  lanes = torch.floordiv(torch.add(tokens, 3), 4)
  head = torch.reshape(torch.mul(torch.arange(heads), 268435456), [1, heads, 1, 1])
  query = torch.reshape(torch.mul(torch.arange(tokens), 16384), [1, 1, tokens, 1])
  key = torch.reshape(torch.arange(lanes), [1, 1, 1, lanes])
  counter = torch.add(torch.add(head, query), key)
  kept = torch.slice((self).mask(torch.reshape(keys, [-1, 1, 1, 1]), site, counter, drop), 3, 0, tokens)
  return torch.matmul(torch.mul(p, kept), v)

# x: [n, hidden]; keys, at: int64 [n], each token's row key and place in its row. A draw's number is
# place * hidden + feature, whatever the padded length.
def drop(self: __torch__.Dunlin, x: Tensor, keys: Tensor, at: Tensor, site: int, drop: int) -> Tensor:
  if torch.eq(drop, 0):
    return x
  hidden = torch.size(x, 1)
  lanes = torch.floordiv(torch.add(hidden, 3), 4)
  counter = torch.add(torch.unsqueeze(torch.mul(at, lanes), 1), torch.unsqueeze(torch.arange(lanes), 0))
  kept = (self).mask(torch.unsqueeze(keys, 1), site, counter, drop)
  return torch.mul(x, torch.slice(kept, 1, 0, hidden))

# Counter-based masks: splitmix64's finaliser over key, site and counter gives 64 random bits, which
# serve four elements of the last axis, 16 bits each. Gives 0 where dropped, else 1 / (1 - p), for
# drop = p in 1/65536. Needs no generator, so it is the same on any thread, cut and device.
def mask(self: __torch__.Dunlin, keys: Tensor, site: int, counter: Tensor, drop: int) -> Tensor:
  x = torch.add(torch.mul(counter, -7046029254386353131), torch.add(keys, torch.mul(site, 3935559000370003845)))
  x = torch.mul(torch.bitwise_xor(x, torch.bitwise_and(torch.bitwise_right_shift(x, 30), 17179869183)), -4658895280553007687)
  x = torch.mul(torch.bitwise_xor(x, torch.bitwise_and(torch.bitwise_right_shift(x, 27), 137438953471)), -7723592293110705685)
  x = torch.bitwise_xor(x, torch.bitwise_and(torch.bitwise_right_shift(x, 31), 8589934591))
  kept = annotate(List[Tensor], [])
  for i in range(4):
    bits = torch.bitwise_and(torch.bitwise_right_shift(x, torch.mul(16, i)), 65535)
    torch.append(kept, torch.ge(bits, drop))
  keep = torch.flatten(torch.stack(kept, -1), -2)
  return torch.mul(torch.to(keep, 6), torch.div(65536., float(torch.sub(65536, drop))))

# [rows, tokens, hidden] -> [rows, hidden]
def pool(self: __torch__.Dunlin, config: Tensor, x: Tensor, lengths: Tensor) -> Tensor:
  how = int(torch.select(config, 0, 2))
  if torch.eq(how, 0):
    e = torch.select(x, 1, 0)
  else:
    if torch.eq(how, 1):
      real = torch.lt(torch.unsqueeze(torch.arange(torch.size(x, 1)), 0), torch.unsqueeze(lengths, 1))
      m = torch.to(torch.unsqueeze(real, 2), 6)
      e = torch.div(torch.sum(torch.mul(x, m), [1]), torch.sum(m, [1]))
    else:
      last = torch.reshape(torch.sub(lengths, 1), [-1, 1, 1])
      index = torch.expand(last, [-1, 1, torch.size(x, 2)])
      e = torch.squeeze(torch.gather(x, 1, index), 1)
  if torch.eq(int(torch.select(config, 0, 3)), 1):
    e = torch.div(e, torch.clamp_min(torch.norm(e, 2, [1], True), 1.e-12))
  return e

# Gradients of a micro-batch: those of w in order, then that of the looked-up word embeddings.
def gradients(self: __torch__.Dunlin, upstream: Tensor, dense: Tensor, looked: Tensor, w: List[Tensor]) -> List[Tensor]:
  inputs = torch.add(w, [looked])
  found = torch.grad([dense], inputs, annotate(List[Optional[Tensor]], [upstream]), False, False, False)
  out = annotate(List[Tensor], [])
  for i in range(torch.len(found)):
    g = found[i]
    if torch.__isnot__(g, None):
      torch.append(out, unchecked_cast(Tensor, g))
  return out

# Adds a micro-batch's gradients to its slot's: g are views of the slot's block, rows its touched
# word embeddings. The first one is copied. real: int64, places of real tokens in [rows * tokens];
# into: int64, their rows in the packed block.
def accumulate(self: __torch__.Dunlin, first: Tensor, looked: Tensor, real: Tensor, into: Tensor, rows: Tensor, found: List[Tensor], g: List[Tensor]) -> Tensor:
  if torch.eq(int(first), 1):
    torch.zero_(rows)
    for i in range(torch.len(g)):
      torch.copy_(g[i], found[i])
  else:
    for i0 in range(torch.len(g)):
      torch.add_(g[i0], found[i0])
  flat = torch.reshape(looked, [-1, torch.size(looked, 2)])
  torch.index_add_(rows, 0, into, torch.index_select(flat, 0, real))
  return first
