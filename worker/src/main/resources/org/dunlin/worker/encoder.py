# The encoder of BERT and XLM-RoBERTa. Weights are arguments, in the order of EncoderTensors without
# the word embedding: positions, token types, LayerNorm (2), then 16 tensors a layer, then, where
# there are heads, the multi-vector one's and the sparse one's (2 each).
#   config: int64 [heads, first position, pooling, normalise, hidden dropout, attention dropout,
#           unified, frozen, factors, written, matryoshka widths...]; pooling 0 = cls, 1 = mean, 2 = last
#           token; dropout in 1/65536; frozen 0 = nothing, 1 = positions, 2 = all but the heads;
#           factors: the type of the layers' products, 6 = float32, 15 = bfloat16, 5 = float16;
#           written: 1 = attention is written out, as it is with dropout, and not the fused kernel
#   eps:    float64 [LayerNorm epsilon]
#   ids:    int64 [rows, tokens], padded with the pad id; lengths: int64 [rows], real tokens
#   keys:   int64 [rows], one random key a row for dropout; empty outside of training
# Whatever the factors, weights are float32 and leaves of the graph, and embeddings, sums over the
# residual, LayerNorm, softmax and heads are float32: what PyTorch calls autocast. Gradients of
# weights come out as float32. With float32 factors no cast does anything.
# A text's embeddings, here called out: dense [rows, width]; if unified also lexical weights
# [rows, tokens] and token vectors [rows, tokens - 1, vector width], 0 at padding.

# out, then the looked-up word embeddings, a leaf of the graph.
def encode(self: __torch__.Dunlin, config: Tensor, eps: Tensor, ids: Tensor, lengths: Tensor, keys: Tensor, word: Tensor, w: List[Tensor]) -> List[Tensor]:
  looked = torch.detach(torch.embedding(word, ids))
  if torch.ne(int(torch.select(config, 0, 7)), 2):
    looked = torch.requires_grad_(looked)
  out = (self).heads(config, (self).hidden_states(config, eps, looked, lengths, keys, w), lengths, w)
  torch.append(out, looked)
  return out

# out without a graph, for inference.
def embed(self: __torch__.Dunlin, config: Tensor, eps: Tensor, ids: Tensor, lengths: Tensor, keys: Tensor, word: Tensor, w: List[Tensor]) -> List[Tensor]:
  looked = torch.embedding(word, ids)
  return (self).heads(config, (self).hidden_states(config, eps, looked, lengths, keys, w), lengths, w)

# out without a graph, then what each layer was given and what the last one gave, [n, hidden] each:
# enough to compute one layer after the other again in the backward pass.
def embed_by_layers(self: __torch__.Dunlin, config: Tensor, eps: Tensor, ids: Tensor, lengths: Tensor, keys: Tensor, word: Tensor, w: List[Tensor]) -> List[Tensor]:
  tokens = torch.size(ids, 1)
  held = (self).held(lengths, tokens)
  x = (self).first(config, eps, torch.embedding(word, ids), lengths, keys, held, w)
  states = [x]
  for layer in range((self).layers(w)):
    x = (self).layer(config, eps, x, layer, lengths, tokens, keys, held, w)
    torch.append(states, x)
  out = (self).heads(config, (self).padded(x, lengths, tokens, held), lengths, w)
  return torch.add(out, states)

# looked: [rows, tokens, hidden] -> [rows, tokens, hidden], 0 at padding.
# Between the layers only real tokens exist, x: [n, hidden]; attention alone sees padded rows.
def hidden_states(self: __torch__.Dunlin, config: Tensor, eps: Tensor, looked: Tensor, lengths: Tensor, keys: Tensor, w: List[Tensor]) -> Tensor:
  tokens = torch.size(looked, 1)
  held = (self).held(lengths, tokens)
  x = (self).first(config, eps, looked, lengths, keys, held, w)
  for layer in range((self).layers(w)):
    x = (self).layer(config, eps, x, layer, lengths, tokens, keys, held, w)
  return (self).padded(x, lengths, tokens, held)

def layers(self: __torch__.Dunlin, w: List[Tensor]) -> int:
  return torch.floordiv(torch.sub(torch.len(w), 4), 16)

# Places of real tokens in [rows * tokens], or None: every one is real.
def held(self: __torch__.Dunlin, lengths: Tensor, tokens: int) -> Optional[Tensor]:
  found = annotate(Optional[Tensor], None)
  if torch.lt(int(torch.min(lengths)), tokens):
    real = torch.lt(torch.unsqueeze(torch.arange(tokens, device=ops.prim.device(lengths)), 0), torch.unsqueeze(lengths, 1))
    found = torch.squeeze(torch.nonzero(torch.reshape(real, [-1])), 1)
  return found

# Each real token's place in its row, int64 [n].
def places(self: __torch__.Dunlin, lengths: Tensor, tokens: int, held: Optional[Tensor]) -> Tensor:
  place = torch.unsqueeze(torch.arange(tokens, device=ops.prim.device(lengths)), 0)
  at = torch.reshape(torch.expand(place, [torch.size(lengths, 0), tokens]), [-1])
  if torch.__isnot__(held, None):
    at = torch.index_select(at, 0, unchecked_cast(Tensor, held))
  return at

# What the first layer is given: looked [rows, tokens, hidden] -> [n, hidden]
def first(self: __torch__.Dunlin, config: Tensor, eps: Tensor, looked: Tensor, lengths: Tensor, keys: Tensor, held: Optional[Tensor], w: List[Tensor]) -> Tensor:
  hidden = torch.size(looked, 2)
  at = (self).places(lengths, torch.size(looked, 1), held)
  x = torch.reshape(looked, [-1, hidden])
  if torch.__isnot__(held, None):
    x = torch.index_select(x, 0, unchecked_cast(Tensor, held))
  x = torch.add(x, torch.select(w[1], 0, 0))
  x = torch.add(x, torch.embedding(w[0], torch.add(at, int(torch.select(config, 0, 1)))))
  x = torch.layer_norm(x, [hidden], w[2], w[3], float(torch.select(eps, 0, 0)))
  return (self).drop(x, (self).token_keys(keys, lengths), at, 0, (self).dropped(config, keys, 4))

# One layer: x [n, hidden] -> [n, hidden]
def layer(self: __torch__.Dunlin, config: Tensor, eps: Tensor, x: Tensor, layer: int, lengths: Tensor, tokens: int, keys: Tensor, held: Optional[Tensor], w: List[Tensor]) -> Tensor:
  rows = torch.size(lengths, 0)
  hidden = torch.size(x, 1)
  heads = int(torch.select(config, 0, 0))
  epsilon = float(torch.select(eps, 0, 0))
  factors = int(torch.select(config, 0, 8))
  drop_hidden = (self).dropped(config, keys, 4)
  drop_attention = (self).dropped(config, keys, 5)
  at = (self).places(lengths, tokens, held)
  token_keys = (self).token_keys(keys, lengths)
  visible = annotate(Optional[Tensor], None)
  if torch.__isnot__(held, None):
    real = torch.lt(torch.unsqueeze(torch.arange(tokens, device=ops.prim.device(lengths)), 0), torch.unsqueeze(lengths, 1))
    visible = torch.unsqueeze(torch.unsqueeze(real, 1), 1)
  split = [rows, tokens, heads, torch.floordiv(hidden, heads)]
  b = torch.add(4, torch.mul(layer, 16))
  q = (self).spread((self).product(x, w[b], w[torch.add(b, 1)], factors), held, split)
  k = (self).spread((self).product(x, w[torch.add(b, 2)], w[torch.add(b, 3)], factors), held, split)
  v = (self).spread((self).product(x, w[torch.add(b, 4)], w[torch.add(b, 5)], factors), held, split)
  site = torch.add(1, torch.mul(layer, 3))
  if torch.__and__(torch.eq(drop_attention, 0), torch.eq(int(torch.select(config, 0, 9)), 0)):
    a = torch.scaled_dot_product_attention(q, k, v, visible)
  else:
    a = (self).attend(q, k, v, visible, keys, site, drop_attention)
  a = torch.reshape(torch.transpose(a, 1, 2), [-1, hidden])
  if torch.__isnot__(held, None):
    a = torch.index_select(a, 0, unchecked_cast(Tensor, held))
  a = (self).product(a, w[torch.add(b, 6)], w[torch.add(b, 7)], factors)
  a = (self).drop(a, token_keys, at, torch.add(site, 1), drop_hidden)
  x = torch.layer_norm(torch.add(a, x), [hidden], w[torch.add(b, 8)], w[torch.add(b, 9)], epsilon)
  f = torch.gelu((self).product(x, w[torch.add(b, 10)], w[torch.add(b, 11)], factors))
  f = (self).product(f, w[torch.add(b, 12)], w[torch.add(b, 13)], factors)
  f = (self).drop(f, token_keys, at, torch.add(site, 2), drop_hidden)
  return torch.layer_norm(torch.add(f, x), [hidden], w[torch.add(b, 14)], w[torch.add(b, 15)], epsilon)

# x [n, in] -> [n, out], in the type of the factors.
def product(self: __torch__.Dunlin, x: Tensor, weight: Tensor, bias: Tensor, factors: int) -> Tensor:
  return torch.linear(torch.to(x, factors), torch.to(weight, factors), torch.to(bias, factors))

# [n, hidden] -> [rows, tokens, hidden], 0 at padding.
def padded(self: __torch__.Dunlin, x: Tensor, lengths: Tensor, tokens: int, held: Optional[Tensor]) -> Tensor:
  rows = torch.size(lengths, 0)
  return torch.reshape((self).pad(x, held, torch.mul(rows, tokens)), [rows, tokens, torch.size(x, 1)])

# A share of elements that is dropped, 0 outside of training.
def dropped(self: __torch__.Dunlin, config: Tensor, keys: Tensor, where: int) -> int:
  share = 0
  if torch.gt(torch.numel(keys), 0):
    share = int(torch.select(config, 0, where))
  return share

# Each real token's row key.
def token_keys(self: __torch__.Dunlin, keys: Tensor, lengths: Tensor) -> Tensor:
  found = keys
  if torch.gt(torch.numel(keys), 0):
    found = torch.repeat_interleave(keys, lengths)
  return found

# [n, hidden] -> [places, hidden], 0 where nothing is held.
def pad(self: __torch__.Dunlin, x: Tensor, held: Optional[Tensor], places: int) -> Tensor:
  if torch.__isnot__(held, None):
    return torch.index_copy(torch.zeros([places, torch.size(x, 1)], dtype=ops.prim.dtype(x), device=ops.prim.device(x)), 0, unchecked_cast(Tensor, held), x)
  return x

# [n, hidden] -> [rows, heads, tokens, hidden / heads]
def spread(self: __torch__.Dunlin, x: Tensor, held: Optional[Tensor], split: List[int]) -> Tensor:
  return torch.transpose(torch.view((self).pad(x, held, torch.mul(split[0], split[1])), split), 1, 2)

# Attention written out, because the dropout inside the fused kernel takes no generator, and because
# on CUDA that kernel adds gradients in no fixed order.
def attend(self: __torch__.Dunlin, q: Tensor, k: Tensor, v: Tensor, visible: Optional[Tensor], keys: Tensor, site: int, drop: int) -> Tensor:
  heads = torch.size(q, 1)
  tokens = torch.size(q, 2)
  scale = torch.pow(float(torch.size(q, 3)), -0.5)
  s = torch.mul(torch.to(torch.matmul(q, torch.transpose(k, 2, 3)), 6), scale)
  if torch.__isnot__(visible, None):
    s = torch.masked_fill(s, torch.logical_not(unchecked_cast(Tensor, visible)), -inf)
  p = torch.softmax(s, 3)
  if torch.eq(drop, 0):
    return torch.matmul(torch.to(p, ops.prim.dtype(v)), v)
  # A draw's number is (head, query position, key position), whatever the padded length.
  lanes = torch.floordiv(torch.add(tokens, 3), 4)
  head = torch.reshape(torch.mul(torch.arange(heads, device=ops.prim.device(keys)), 268435456), [1, heads, 1, 1])
  query = torch.reshape(torch.mul(torch.arange(tokens, device=ops.prim.device(keys)), 16384), [1, 1, tokens, 1])
  key = torch.reshape(torch.arange(lanes, device=ops.prim.device(keys)), [1, 1, 1, lanes])
  counter = torch.add(torch.add(head, query), key)
  kept = torch.slice((self).mask(torch.reshape(keys, [-1, 1, 1, 1]), site, counter, drop), 3, 0, tokens)
  return torch.matmul(torch.to(torch.mul(p, kept), ops.prim.dtype(v)), v)

# x: [n, hidden]; keys, at: int64 [n], each token's row key and place in its row. A draw's number is
# place * hidden + feature, whatever the padded length.
def drop(self: __torch__.Dunlin, x: Tensor, keys: Tensor, at: Tensor, site: int, drop: int) -> Tensor:
  if torch.eq(drop, 0):
    return x
  hidden = torch.size(x, 1)
  lanes = torch.floordiv(torch.add(hidden, 3), 4)
  counter = torch.add(torch.unsqueeze(torch.mul(at, lanes), 1), torch.unsqueeze(torch.arange(lanes, device=ops.prim.device(keys)), 0))
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

# out, of the last layer's hidden states x [rows, tokens, hidden].
def heads(self: __torch__.Dunlin, config: Tensor, x: Tensor, lengths: Tensor, w: List[Tensor]) -> List[Tensor]:
  out = [(self).pool(config, x, lengths)]
  if torch.eq(int(torch.select(config, 0, 6)), 1):
    end = torch.len(w)
    each = torch.linear(x, w[torch.sub(end, 2)], w[torch.sub(end, 1)])
    torch.append(out, torch.contiguous(torch.relu(torch.squeeze(each, 2))))
    place = torch.unsqueeze(torch.arange(1, torch.size(x, 1), device=ops.prim.device(x)), 0)
    real = torch.unsqueeze(torch.to(torch.lt(place, torch.unsqueeze(lengths, 1)), 6), 2)
    v = torch.mul(torch.linear(torch.slice(x, 1, 1), w[torch.sub(end, 4)], w[torch.sub(end, 3)]), real)
    if torch.eq(int(torch.select(config, 0, 3)), 1):
      v = torch.div(v, torch.clamp_min(torch.norm(v, 2, [2], True), 1.e-12))
    torch.append(out, torch.contiguous(v))
  return out

# [rows, tokens, hidden] -> [rows, hidden], or the matryoshka widths side by side.
def pool(self: __torch__.Dunlin, config: Tensor, x: Tensor, lengths: Tensor) -> Tensor:
  how = int(torch.select(config, 0, 2))
  if torch.eq(how, 0):
    e = torch.select(x, 1, 0)
  else:
    if torch.eq(how, 1):
      real = torch.lt(torch.unsqueeze(torch.arange(torch.size(x, 1), device=ops.prim.device(x)), 0), torch.unsqueeze(lengths, 1))
      m = torch.to(torch.unsqueeze(real, 2), 6)
      e = torch.div(torch.sum(torch.mul(x, m), [1]), torch.sum(m, [1]))
    else:
      last = torch.reshape(torch.sub(lengths, 1), [-1, 1, 1])
      index = torch.expand(last, [-1, 1, torch.size(x, 2)])
      e = torch.squeeze(torch.gather(x, 1, index), 1)
  widths = torch.sub(torch.numel(config), 10)
  if torch.eq(widths, 0):
    return torch.contiguous((self).unit(config, e))
  parts = annotate(List[Tensor], [])
  for i in range(widths):
    width = int(torch.select(config, 0, torch.add(10, i)))
    torch.append(parts, (self).unit(config, torch.slice(e, 1, 0, width)))
  return torch.cat(parts, 1)

def unit(self: __torch__.Dunlin, config: Tensor, e: Tensor) -> Tensor:
  if torch.eq(int(torch.select(config, 0, 3)), 1):
    e = torch.div(e, torch.clamp_min(torch.norm(e, 2, [1], True), 1.e-12))
  return e

# Gradients of a micro-batch: those of the trained w in order, then, unless the encoder is frozen,
# that of the looked-up word embeddings.
def gradients(self: __torch__.Dunlin, config: Tensor, looked: Tensor, upstream: List[Tensor], out: List[Tensor], w: List[Tensor]) -> List[Tensor]:
  if torch.eq(int(torch.select(config, 0, 7)), 2):
    return (self).backward(torch.slice(out, 1, torch.len(out), 1), w, torch.slice(upstream, 1, torch.len(out), 1))
  return (self).backward(out, torch.add(w, [looked]), upstream)

# The same, one layer after the other, each computed again: states are those of embed_by_layers.
# Unlike there, w are all weights.
def gradients_by_layers(self: __torch__.Dunlin, config: Tensor, eps: Tensor, ids: Tensor, lengths: Tensor, keys: Tensor, word: Tensor, upstream: List[Tensor], states: List[Tensor], w: List[Tensor]) -> List[Tensor]:
  tokens = torch.size(ids, 1)
  held = (self).held(lengths, tokens)
  layers = (self).layers(w)
  frozen = int(torch.select(config, 0, 7))
  end = torch.add(4, torch.mul(layers, 16))
  of_heads = torch.slice(w, end, torch.len(w), 1)
  x = torch.requires_grad_(torch.detach(states[layers]))
  out = (self).heads(config, (self).padded(x, lengths, tokens, held), lengths, w)
  if torch.eq(frozen, 2):
    return (self).backward(torch.slice(out, 1, torch.len(out), 1), of_heads, torch.slice(upstream, 1, torch.len(out), 1))
  found = (self).backward(out, torch.add(of_heads, [x]), upstream)
  g = torch.pop(found)
  for i in range(layers):
    layer = torch.sub(torch.sub(layers, i), 1)
    b = torch.add(4, torch.mul(layer, 16))
    x = torch.requires_grad_(torch.detach(states[layer]))
    y = (self).layer(config, eps, x, layer, lengths, tokens, keys, held, w)
    of_layer = (self).backward([y], torch.add(torch.slice(w, b, torch.add(b, 16), 1), [x]), [g])
    g = torch.pop(of_layer)
    found = torch.add(of_layer, found)
  looked = torch.requires_grad_(torch.detach(torch.embedding(word, ids)))
  y = (self).first(config, eps, looked, lengths, keys, held, w)
  lowest = torch.add(torch.slice(w, frozen, 4, 1), [looked])
  of_first = (self).backward([y], lowest, [g])
  last = torch.pop(of_first)
  return torch.add(torch.add(of_first, found), [last])

def backward(self: __torch__.Dunlin, out: List[Tensor], inputs: List[Tensor], upstream: List[Tensor]) -> List[Tensor]:
  given = annotate(List[Optional[Tensor]], [])
  for j in range(torch.len(upstream)):
    torch.append(given, annotate(Optional[Tensor], upstream[j]))
  found = torch.grad(out, inputs, given, False, False, False)
  all = annotate(List[Tensor], [])
  for i in range(torch.len(found)):
    g = found[i]
    if torch.__isnot__(g, None):
      torch.append(all, unchecked_cast(Tensor, g))
  return all

# Adds a micro-batch's gradients to its slot's: g are views of the slot's block. The first one is
# copied.
def accumulate(self: __torch__.Dunlin, first: Tensor, found: List[Tensor], g: List[Tensor]) -> Tensor:
  if torch.eq(int(first), 1):
    for i in range(torch.len(g)):
      torch.copy_(g[i], found[i])
  else:
    for i0 in range(torch.len(g)):
      torch.add_(g[i0], found[i0])
  return first

# Adds the gradient of a micro-batch's looked-up word embeddings to its slot's touched rows. real:
# int64, places of real tokens in [rows * tokens]; into: int64, their rows in the packed block.
def accumulate_rows(self: __torch__.Dunlin, first: Tensor, looked: Tensor, real: Tensor, into: Tensor, rows: Tensor) -> Tensor:
  if torch.eq(int(first), 1):
    torch.zero_(rows)
  flat = torch.reshape(looked, [-1, torch.size(looked, 2)])
  torch.index_add_(rows, 0, into, torch.index_select(flat, 0, real))
  return first
