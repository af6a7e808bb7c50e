#!/usr/bin/env python3
"""Compares ./dunlin embed and ./dunlin score with Python's libraries on folders of normalising models.

  .venv-peer/bin/python it/src/test/python/compare_embeddings.py my-run/model [my-reranker ...]

Dense embeddings: transformers, and sentence-transformers where the folder has its modules.json.
With head files, all three heads and pair scores: FlagEmbedding's BGEM3FlagModel if it can be
imported (installed, or its source on PYTHONPATH), else the code below, which reads the head files
as that class does. Rerankers: transformers. Each line says which it was.
"""
import json
import os
import pathlib
import subprocess
import sys

import torch
from sentence_transformers import SentenceTransformer
from torch.nn.functional import normalize
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

LIMIT = 1e-5
RERANKER_LIMIT = 1e-4  # logits are not bounded as embeddings are
MODES = ["dense", "sparse", "colbert", "sparse+dense", "colbert+sparse+dense"]
WEIGHTS = [0.4, 0.2, 0.4]
DUNLIN = pathlib.Path(__file__).resolve().parents[4] / "dunlin"
texts = ["sparrow: a small brown bird", "a", "the quick brown fox jumps over the lazy dog " * 30, "naïve café — 漢字"]
texts += [f"word {i}: definition number {i * 7} of something" for i in range(200)]
pairs = [[texts[i], texts[(i * 7 + 2) % len(texts)]] for i in [0, 1] + list(range(3, 60))]
worst = []


def dunlin(*args, lines):
    out = subprocess.run([DUNLIN, *map(str, args)], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True)
    return [json.loads(line) for line in out.stdout.splitlines()]


def report(what, count, difference, limit=LIMIT):
    print(f"{what}: {count}, largest difference {difference:.1e}")
    worst.append(difference / limit)


def max_tokens(config):
    positions = config["max_position_embeddings"]
    return min(512, positions - config["pad_token_id"] - 1 if config["model_type"] == "xlm-roberta" else positions)


def tokens(tokenizer, some, most):
    return tokenizer(some, padding=True, truncation=True, max_length=most, return_tensors="pt")


class Reader:
    """What BGEM3FlagModel computes, of the same files, for when it cannot be installed."""

    name = "own reading of sparse_linear.pt and colbert_linear.pt (FlagEmbedding is not installed)"

    def __init__(self, folder, most):
        self.most = most
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.sparse = torch.load(folder / "sparse_linear.pt", map_location="cpu", weights_only=True)
        self.colbert = torch.load(folder / "colbert_linear.pt", map_location="cpu", weights_only=True)

    @torch.no_grad()
    def heads(self, some):
        batch = tokens(self.tokenizer, some, self.most)
        hidden, mask = self.model(**batch).last_hidden_state, batch["attention_mask"]
        weights = torch.relu(hidden @ self.sparse["weight"].float().T + self.sparse["bias"].float())[..., 0]
        vectors = hidden[:, 1:] @ self.colbert["weight"].float().T + self.colbert["bias"].float()
        vectors = normalize(vectors * mask[:, 1:, None], dim=-1)
        silent = {self.tokenizer.cls_token_id, self.tokenizer.eos_token_id, self.tokenizer.pad_token_id, self.tokenizer.unk_token_id, self.tokenizer.sep_token_id}
        lexical = []
        for ids, row in zip(batch["input_ids"].tolist(), weights.tolist()):
            found = {}
            for token, weight in zip(ids, row):
                if token not in silent and weight > 0:
                    found[str(token)] = max(weight, found.get(str(token), 0))
            lexical.append(found)
        return normalize(hidden[:, 0], dim=-1), lexical, vectors, mask

    def encode(self, some):
        dense, lexical, vectors, mask = self.heads(some)
        return dense, lexical, [v[: m.sum() - 1] for v, m in zip(vectors, mask)]

    def scores(self, some):
        q_dense, q_lexical, q, q_mask = self.heads([pair[0] for pair in some])
        p_dense, p_lexical, p, _ = self.heads([pair[1] for pair in some])
        dense = (q_dense * p_dense).sum(-1)
        sparse = torch.tensor([sum(w * b.get(t, 0) for t, w in a.items()) for a, b in zip(q_lexical, p_lexical)])
        colbert = torch.einsum("nid,njd->nij", q, p).amax(-1).sum(-1) / q_mask[:, 1:].sum(-1)
        d, s, c = WEIGHTS
        return dict(zip(MODES, [dense, sparse, colbert, (d * dense + s * sparse) / (d + s), (d * dense + s * sparse + c * colbert) / (d + s + c)]))


class FlagEmbedding:
    name = "FlagEmbedding's BGEM3FlagModel"

    def __init__(self, folder, most):
        from FlagEmbedding import BGEM3FlagModel

        self.most = most
        self.model = BGEM3FlagModel(str(folder), use_fp16=False, devices="cpu")

    def encode(self, some):
        out = self.model.encode(some, max_length=self.most, return_dense=True, return_sparse=True, return_colbert_vecs=True)
        return torch.tensor(out["dense_vecs"]), out["lexical_weights"], [torch.tensor(v) for v in out["colbert_vecs"]]

    def scores(self, some):
        return self.model.compute_score(some, max_query_length=self.most, max_passage_length=self.most, weights_for_different_modes=WEIGHTS)


def compare_dense(folder, most):
    pooling = folder / "1_Pooling/config.json"
    how = json.loads(pooling.read_text()) if pooling.exists() else {}
    ours = torch.tensor(dunlin("embed", folder, "--max-tokens", most, lines=texts))
    batch = tokens(AutoTokenizer.from_pretrained(folder), texts, most)
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None].float()
    pooled = hidden[:, 0]
    if how.get("pooling_mode_mean_tokens"):
        pooled = (hidden * mask).sum(1) / mask.sum(1)
    elif how.get("pooling_mode_lasttoken"):
        pooled = hidden[torch.arange(len(texts)), batch["attention_mask"].sum(1) - 1]
    theirs = normalize(pooled, dim=-1)
    report(f"{folder}: transformers, dense", len(texts), (theirs - ours).abs().max().item())
    if (folder / "modules.json").exists():
        model = SentenceTransformer(str(folder))
        model.max_seq_length = most
        report(f"{folder}: sentence-transformers, dense", len(texts), (torch.tensor(model.encode(texts)) - ours).abs().max().item())
    else:
        print(f"{folder}: sentence-transformers: not compared, the folder has no modules.json")


def compare_heads(folder, most):
    try:
        peer = FlagEmbedding(folder, most)
    except ImportError:
        peer = Reader(folder, most)
    name = f"{folder}: {peer.name}"
    ours = dunlin("embed", folder, "--heads", "dense,sparse,colbert", "--max-tokens", most, lines=texts)
    dense, lexical, vectors = peer.encode(texts)
    report(f"{name}, dense", len(texts), (torch.tensor([row["dense_vecs"] for row in ours]) - dense).abs().max().item())
    differences, weights, found = [], 0, 0
    for row, expected, theirs in zip(ours, lexical, vectors):
        own = row["lexical_weights"]
        weights += len(own)
        differences += [abs(own.get(t, 0) - expected.get(t, 0)) for t in own.keys() | expected.keys()]
        found += len(row["colbert_vecs"])
    report(f"{name}, lexical weights", weights, max(map(float, differences), default=0))
    shapes = [len(row["colbert_vecs"]) for row in ours] == [len(v) for v in vectors]
    difference = max((torch.tensor(row["colbert_vecs"]) - v).abs().max().item() for row, v in zip(ours, vectors)) if shapes else float("inf")
    report(f"{name}, token vectors", found, difference)
    theirs = peer.scores(pairs)
    rows = [json.dumps(pair) for pair in pairs]
    for mode in MODES:
        own = dunlin("score", "--model", folder, "--mode", mode, "--weights", ",".join(map(str, WEIGHTS)), "--max-tokens", most, "--query-max-tokens", most, "--pads-in-max-sim", lines=rows)
        report(f"{name}, {mode} scores of pairs", len(pairs), (torch.tensor(own) - torch.as_tensor(theirs[mode])).abs().max().item())


def compare_reranker(folder, most):
    # Queries are shorter than their own limit, so that only passages are cut, as the tokenizer does it.
    own = dunlin("score", "--model", folder, "--max-tokens", most, lines=[json.dumps(pair) for pair in pairs])
    batch = AutoTokenizer.from_pretrained(folder)([p[0] for p in pairs], [p[1] for p in pairs], padding=True, truncation="only_second", max_length=most, return_tensors="pt")
    with torch.no_grad():
        theirs = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()(**batch).logits[:, 0]
    report(f"{folder}: transformers, reranker scores from {theirs.min():.2f} to {theirs.max():.2f}", len(pairs), (torch.tensor(own) - theirs).abs().max().item(), RERANKER_LIMIT)


os.environ["HF_HUB_OFFLINE"] = "1"
for name in sys.argv[1:] or sys.exit(__doc__):
    folder = pathlib.Path(name)
    config = json.loads((folder / "config.json").read_text())
    most = max_tokens(config)
    if config.get("architectures", [""])[0].endswith("ForSequenceClassification"):
        compare_reranker(folder, most)
        continue
    compare_dense(folder, most)
    if (folder / "sparse_linear.pt").exists() and (folder / "colbert_linear.pt").exists():
        compare_heads(folder, most)
sys.exit(0 if worst and max(worst) <= 1 else "above the limit, or nothing to compare")
