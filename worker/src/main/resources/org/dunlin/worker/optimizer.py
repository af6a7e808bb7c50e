# AdamW with decoupled decay, one fused update a segment.
#   scalars: float64 [rate, beta1, beta2, epsilon, decay, clip factor]
#   w, g, m, v: parameters, gradients and moments; t: float32 scalars, the number of this update
# The lists must be arguments: the fused operator does nothing to a list made in this method.

def update(self: __torch__.Dunlin, scalars: Tensor, w: List[Tensor], g: List[Tensor], m: List[Tensor], v: List[Tensor], t: List[Tensor]) -> Tensor:
  clip = float(torch.select(scalars, 0, 5))
  if torch.ne(clip, 1.):
    for i in range(torch.len(g)):
      torch.mul_(g[i], clip)
  rate = float(torch.select(scalars, 0, 0))
  beta1 = float(torch.select(scalars, 0, 1))
  beta2 = float(torch.select(scalars, 0, 2))
  eps = float(torch.select(scalars, 0, 3))
  decay = float(torch.select(scalars, 0, 4))
  torch._fused_adamw_(w, g, m, v, annotate(List[Tensor], []), t, lr=rate, beta1=beta1, beta2=beta2, weight_decay=decay, eps=eps, amsgrad=False, maximize=False)
  return scalars

# Divides each segment by a number, in place.
def divide(self: __torch__.Dunlin, by: Tensor, g: List[Tensor]) -> Tensor:
  for i in range(torch.len(g)):
    torch.div_(g[i], float(torch.select(by, 0, 0)))
  return by

# L2 norm of each segment, accumulated in float64.
def norms(self: __torch__.Dunlin, first: Tensor, g: List[Tensor]) -> Tensor:
  out = annotate(List[Tensor], [])
  for i in range(torch.len(g)):
    torch.append(out, torch.linalg_vector_norm(g[i], 2, None, False, dtype=7))
  return torch.stack(out)
