#!/usr/bin/env python3
"""Compares ./dunlin embed with transformers and sentence-transformers on a mean-pooled, normalised model folder.

  .venv-peer/bin/python it/src/test/python/compare_embeddings.py my-run/model
"""
import json
import pathlib
import subprocess
import sys

import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer

LIMIT = 1e-5
model_folder = sys.argv[1]
dunlin = pathlib.Path(__file__).resolve().parents[4] / "dunlin"
texts = ["sparrow: a small brown bird", "a", "the quick brown fox jumps over the lazy dog " * 30, "naïve café — 漢字"]
texts += [f"word {i}: definition number {i * 7} of something" for i in range(200)]

out = subprocess.run([dunlin, "embed", model_folder], input="\n".join(texts) + "\n", capture_output=True, text=True, check=True)
ours = torch.tensor([json.loads(line) for line in out.stdout.splitlines()])

tokenizer = AutoTokenizer.from_pretrained(model_folder)
model = AutoModel.from_pretrained(model_folder).eval()
batch = tokenizer(texts, padding=True, truncation=True, max_length=512, return_tensors="pt")
with torch.no_grad():
    hidden = model(**batch).last_hidden_state
mask = batch["attention_mask"][..., None].float()
theirs = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
sentences = torch.tensor(SentenceTransformer(model_folder).encode(texts))

worst = 0.0
for name, other in [("transformers", theirs), ("sentence-transformers", sentences)]:
    difference = (other - ours).abs().max().item()
    worst = max(worst, difference)
    print(f"{name}: {len(texts)} embeddings, largest difference {difference:.1e}")
sys.exit(0 if worst <= LIMIT else f"above {LIMIT}")
