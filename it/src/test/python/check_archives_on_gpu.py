#!/usr/bin/env python3
"""Runs Dunlin's TorchScript archive on a CUDA device, with nothing but PyTorch, and compares it with the processor.

  ./dunlin benchmark archive scripts.pt
  python3 it/src/test/python/check_archives_on_gpu.py scripts.pt          # a machine with a GPU and torch

Each method gets random weights and inputs and runs on the processor, then twice on the device, first as it
comes, then under torch.use_deterministic_algorithms(True). A line says the largest difference from the
processor, relative to a result's largest element (in low precision: how far both are from float32), whether
the two runs had equal bits, and which operators PyTorch calls non-deterministic. Then times of encode and
gradients against transformers' BertModel of the same size on the same device, in float32, bfloat16 and
float16. Ends with 1 where a difference is above its limit or bits differ in the deterministic form. With
--device cpu it checks itself.
"""
import argparse
import os
import re
import time
import warnings

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
import torch

parser = argparse.ArgumentParser()
parser.add_argument("archive")
parser.add_argument("--device", default="cuda")
parser.add_argument("--rounds", type=int, default=20)
args = parser.parse_args()
F32, F16, BF16 = 6, 5, 15
TOLERANCE = 2e-4  # of float32, relative to the largest element
LOW = 1.5  # how much further than the processor's the device's low precision may be from float32
SMALL = dict(layers=2, hidden=64, heads=4, inner=128, words=500, rows=6, tokens=24)
MEDIUM = dict(layers=12, hidden=384, heads=12, inner=1536, words=30522, rows=32, tokens=128)
LONG = dict(layers=12, hidden=768, heads=12, inner=3072, words=30522, rows=8, tokens=512)
failures = []


class Case:
    """Weights and one micro-batch, on the processor; moved by at()."""

    def __init__(self, layers, hidden, heads, inner, words, rows, tokens, uniform=False):
        g = torch.Generator().manual_seed(1)
        shapes = [(tokens + 2, hidden), (2, hidden), (hidden,), (hidden,)]
        for _ in range(layers):
            shapes += [(hidden, hidden), (hidden,)] * 4 + [(hidden,)] * 2
            shapes += [(inner, hidden), (inner,), (hidden, inner), (hidden,), (hidden,), (hidden,)]
        shapes += [(hidden, hidden), (hidden,), (1, hidden), (1,)]
        self.w = [torch.randn(s, generator=g) * (0.05 if len(s) == 2 else 0.02) for s in shapes]
        for i in [2] + [4 + 16 * layer + at for layer in range(layers) for at in (8, 14)]:
            self.w[i] += 1
        self.word = torch.randn(words, hidden, generator=g) * 0.05
        self.ids = torch.randint(3, words, (rows, tokens), generator=g)
        self.lengths = torch.randint(tokens // 3, tokens + 1, (rows,), generator=g)
        self.lengths[0] = tokens
        if uniform:
            self.lengths[:] = tokens
        self.ids[torch.arange(tokens) >= self.lengths[:, None]] = 0
        self.keys = torch.randint(-(2**62), 2**62, (rows,), generator=g)
        self.heads, self.hidden, self.rows, self.tokens = heads, hidden, rows, tokens
        self.eps = torch.tensor([1e-12], dtype=torch.float64)

    def at(self, device):
        other = object.__new__(Case)
        other.__dict__ = {k: move(v, device) for k, v in self.__dict__.items()}
        other.eps = self.eps
        return other

    # The numbers that steer a method stay on the processor: the scripts read them as ints.
    def config(self, drop=0.0, attention=0.0, unified=1, factors=F32, pooling=0, written=0):
        return torch.tensor([self.heads, 0, pooling, 1, round(drop * 65536), round(attention * 65536), unified, 0, factors, written])


def move(value, device):
    if isinstance(value, torch.Tensor):
        return value.to(device)
    return [move(v, device) for v in value] if isinstance(value, list) else value


def some(device, *shape, seed=3):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device)


def like(tensors, device):
    return [some(device, *t.shape, seed=9 + i) * 0.1 for i, t in enumerate(tensors)]


def encode(m, c, d, layers=False, **how):
    config, keys = c.config(**how), c.keys
    if not how.get("drop") and not how.get("attention"):
        keys = keys[:0]
    w = [t.detach().requires_grad_() for t in c.w]
    if not layers:
        found = m.encode(config, c.eps, c.ids, c.lengths, keys, c.word, w)
        out, looked = found[:-1], found[-1]
        # Without an ensemble of heads, their weights have no gradient.
        trained = w if len(out) == 3 else w[:-4]
        return [t.detach() for t in out] + m.gradients(config, looked, like(out, d), out, trained)
    with torch.no_grad():
        found = m.embed_by_layers(config, c.eps, c.ids, c.lengths, keys, c.word, w)
    out = found[:3]
    return out + m.gradients_by_layers(config, c.eps, c.ids, c.lengths, keys, c.word, like(out, d), found[3:], w)


def rank(m, c, d):
    w = c.w[:-4] + [some(d, c.hidden, c.hidden) * 0.05, some(d, c.hidden), some(d, 1, c.hidden), some(d, 1)]
    with torch.no_grad():
        return [m.rank(c.config(unified=0), c.eps, c.ids, c.lengths, c.keys[:0], c.word, c.lengths // 2, w)]


def dense(m, c, d):
    scale, views, columns = torch.tensor([0.05], dtype=torch.float64), torch.tensor([0, 32, 64]), torch.tensor([3, 90, 40])
    q, p = some(d, 17, 64), some(d, 100, 64, seed=4)
    scores = m.dense_scores(scale, views, columns, q, p)
    into = torch.zeros_like(p)
    return scores + m.dense_gradients(scale, views, columns, q, p, into, like(scores, d)) + [into]


def vectors(m, c, d):
    g = torch.Generator().manual_seed(5)
    q, p = some(d, 70, 64), some(d, 400, 64, seed=4)
    at = torch.arange(80).reshape(8, 10).clamp_max(69)
    at[:, 7:] = -1
    to = torch.randint(-1, 400, (30, 16), generator=g)
    rest = [torch.tensor([0.05], dtype=torch.float64), (at >= 0).sum(1).float().to(d), at.to(d), to.to(d), (torch.arange(30) % 2).to(d), q, p]
    scores = m.vector_scores(*rest)
    of_q, of_p = torch.zeros_like(q), torch.zeros_like(p)
    m.vector_gradients(*rest, some(d, 8, 30, seed=6), of_q, of_p)
    return scores + [of_q, of_p, m.max_sim(torch.tensor([1]), q, p)]


def loss(m, c, d, how=0, unified=1, taught=0, local=0):
    n, group, p = 16, 4, 80
    own = torch.arange(n) * 5
    hashes = torch.arange(p) % 71
    teacher = some(d, n, group) if how else torch.empty(0, device=d)
    scores = [some(d, n, p, seed=20 + i) for i in range(3 if unified else 1)]
    config = torch.tensor([how, unified, taught, group, local])
    return m.loss_rows(config, torch.tensor([1 / n], dtype=torch.float64), own.to(d), teacher, hashes.to(d), scores)


def sums(m, c, d):
    real = torch.nonzero((torch.arange(c.tokens) < c.lengths.cpu()[:, None]).reshape(-1)).squeeze(1)
    into = torch.randint(0, 40, real.shape, generator=torch.Generator().manual_seed(2))
    rows, g = torch.full((40, c.hidden), 7.0, device=d), [torch.zeros_like(t) for t in c.w]
    looked = some(d, c.rows, c.tokens, c.hidden)
    for first in (1, 0):
        m.accumulate(torch.tensor([first]), like(g, d), g)
        m.accumulate_rows(torch.tensor([first]), looked, real.to(d), into.to(d), rows)
    m.divide(torch.tensor([3.0], dtype=torch.float64), g)
    return [rows, m.norms(torch.tensor([1]), g), *g]


def staging(m, c, d):
    """Copies there and back, through pinned memory where d is a CUDA device."""
    word, w = torch.zeros_like(c.word), [torch.zeros_like(t) for t in c.w]
    m.refresh(word, [t.cpu() for t in [c.word, *c.w]], w)
    staged = m.to_device(word, [c.ids.cpu(), c.lengths.cpu(), c.keys[:0].cpu()])
    assert all(t.device == word.device for t in staged)
    found = m.to_host([word, *w, *(t.float() for t in staged[:2])])
    assert all(t.device.type == "cpu" and t.is_pinned() == word.is_cuda for t in found)
    return found


def adamw(m, c, d):
    w, g = [t.clone() for t in c.w], like(c.w, d)
    mean, square = like(c.w, d), [t * t for t in like(c.w, d)]
    t = [torch.tensor(3.0, device=d) for _ in w]
    scalars = torch.tensor([1e-3, 0.9, 0.999, 1e-8, 0.01, 0.5], dtype=torch.float64)
    m.update(scalars, w, g, mean, square, t)
    return w + mean + square


METHODS = {
    "encode, gradients": (encode, dict(unified=0)),
    "the same, mean": (encode, dict(unified=0, pooling=1)),
    "the same, last token": (encode, dict(unified=0, pooling=2)),
    "three heads": (encode, {}),
    "three heads, dropout": (encode, dict(drop=0.1)),
    "written attention": (encode, dict(written=1)),
    "dropout of attention": (encode, dict(drop=0.1, attention=0.1)),
    "by layers": (encode, dict(layers=True)),
    "by layers, dropout": (encode, dict(layers=True, drop=0.1, attention=0.1)),
    "three heads, bfloat16": (encode, dict(factors=BF16)),
    "three heads, float16": (encode, dict(factors=F16)),
    "rank": (rank, {}),
    "dense scores": (dense, {}),
    "max-sim": (vectors, {}),
    "loss": (loss, dict(unified=0)),
    "loss, unified": (loss, dict(taught=1)),
    "loss, kl": (loss, dict(how=1)),
    "loss, m3, local": (loss, dict(how=2, local=1, taught=1)),
    "accumulate, norms": (sums, {}),
    "AdamW": (adamw, {}),
    "staging": (staging, {}),
}


def twice(module, case, work, how, device, strict):
    """Two runs, and the operators that PyTorch says are not deterministic."""
    torch.use_deterministic_algorithms(strict, warn_only=True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        runs = [move(work(module, case, device, **how), "cpu") for _ in range(2)]
    named = {re.split(" does not have| defaults to", str(w.message))[0][:60] for w in told if "determinis" in str(w.message)}
    torch.use_deterministic_algorithms(False)
    return runs, named


def distance(results, exact):
    """The L2 norm of all differences, relative to that of all of it."""
    apart = sum((a.double() - e.double()).square().sum().item() for a, e in zip(results, exact, strict=True))
    return (apart / sum(e.double().square().sum().item() for e in exact)) ** 0.5


def check(size, name, work, how, module, case):
    expected = work(module, case, "cpu", **how)
    try:
        free, _ = twice(module, case.at(args.device), work, how, args.device, False)
        strict, named = twice(module, case.at(args.device), work, how, args.device, True)
    except RuntimeError as e:
        failures.append(name)
        print(f"{size:7} {name:24} FAILED {str(e).strip().splitlines()[-1]}", flush=True)
        return
    if "factors" in how:
        exact = work(module, case, "cpu", **{**how, "factors": F32})
        worst, limit = distance(strict[0], exact) / distance(expected, exact), LOW
        text = f"{distance(strict[0], exact):.1e} of float32, {worst:.2f} times the processor's"
    else:
        # The key projection's bias has a gradient of zero: differences are measured against all of a result.
        largest = max(e.abs().max().item() for e in expected)
        worst = max((a.double() - e.double()).abs().max().item() / max(e.abs().max().item(), 1e-3 * largest) for a, e in zip(strict[0], expected, strict=True))
        limit, text = TOLERANCE, f"{worst:.1e}"
    same = [all(torch.equal(a, b) for a, b in zip(*runs, strict=True)) for runs in (free, strict)]
    if not worst <= limit or not same[1]:
        failures.append(name)
    bits = " ".join("equal" if s else "DIFFER" for s in same)
    print(f"{size:7} {name:24} {text}{'' if worst <= limit else ' ABOVE ' + str(limit)}; bits {bits} {sorted(named) or ''}", flush=True)


def timed(work):
    def once():
        if args.device != "cpu":
            torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        if args.device != "cpu":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) * 1e3

    for _ in range(3):
        once()
    return sorted(once() for _ in range(args.rounds))[args.rounds // 2]


def compare(name, module, size, factors):
    from transformers import BertConfig, BertModel

    case = Case(**size, uniform=True).at(args.device)
    bert = BertModel(
        BertConfig(
            vocab_size=size["words"], hidden_size=size["hidden"], num_hidden_layers=size["layers"], num_attention_heads=size["heads"],
            intermediate_size=size["inner"], hidden_dropout_prob=0, attention_probs_dropout_prob=0, attn_implementation="sdpa"),
        add_pooling_layer=False).to(args.device)
    kind = {F16: torch.float16, BF16: torch.bfloat16}.get(factors)
    up = some(args.device, size["rows"], size["hidden"])

    def eager():
        bert.zero_grad()
        with torch.autocast(torch.device(args.device).type, dtype=kind, enabled=kind is not None):
            e = bert(case.ids).last_hidden_state[:, 0]
        e = torch.nn.functional.normalize(e.float(), dim=1)
        (e * up).sum().backward()

    def ours():
        encode(module, case, args.device, unified=0, factors=factors)

    peer, own = [], []
    for strict in (False, True):
        torch.use_deterministic_algorithms(strict, warn_only=True)
        peer.append(timed(eager))
        own.append(timed(ours))
        torch.use_deterministic_algorithms(False)
    memory = ""
    if args.device != "cpu":
        most = []
        for work in (ours, eager):
            torch.cuda.reset_peak_memory_stats()
            work()
            most.append(torch.cuda.max_memory_allocated() / 2**20)
        memory = f"; peak MiB {most[0]:.0f} and {most[1]:.0f}"
    print(
        f"{name:7} {str(kind or torch.float32)[6:]:9} scripts {own[0]:.2f} ms, BertModel {peer[0]:.2f} ms: ratio {peer[0] / own[0]:.2f};"
        f" deterministic {own[1]:.2f} and {peer[1]:.2f} ms: {peer[1] / own[1]:.2f}{memory}", flush=True)


def main():
    torch._C._set_graph_executor_optimize(False)  # as the worker has it
    torch.set_num_threads(1 if args.device == "cpu" else torch.get_num_threads())
    module = torch.jit.load(args.archive)
    name = torch.cuda.get_device_name() if args.device != "cpu" else "cpu"
    print(f"{name}, torch {torch.__version__}; bits: as it comes, deterministic", flush=True)
    for size, shape in (("small", SMALL), ("medium", MEDIUM)):
        case = Case(**{**shape, "rows": min(8, shape["rows"])})
        for method, (work, how) in METHODS.items():
            check(size, method, work, how, module, case)
    warnings.simplefilter("ignore")
    for size, shape in (("medium", MEDIUM), ("long", LONG)):
        for factors in (F32, BF16, F16):
            compare(size, module, shape, factors)
    print("failed: " + ", ".join(failures) if failures else "all within tolerances, deterministic bits equal")
    raise SystemExit(bool(failures))


main()
