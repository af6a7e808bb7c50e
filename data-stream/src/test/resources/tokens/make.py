"""Makes precompiled/: a SentencePiece tokenizer with the nmt_nfkc normaliser, and Python's ids.

python make.py golden-folder precompiled   (sentencepiece 0.2.2, tokenizers 0.23.2, protobuf none)
"""
import base64, io, itertools, json, pathlib, re, sys
import sentencepiece as spm
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors, decoders
from tokenizers.models import Unigram

golden, out = map(pathlib.Path, sys.argv[1:])
rows = [json.loads(l) for l in open(golden / "train.jsonl")]
texts = [t for r in rows for t in [r["query"], *r["pos"], *r["neg"]]]
model = io.BytesIO()
spm.SentencePieceTrainer.train(
    sentence_iterator=iter(texts), model_writer=model, vocab_size=700, model_type="unigram",
    normalization_rule_name="nmt_nfkc", character_coverage=0.9995, hard_vocab_limit=False,
    num_threads=1, minloglevel=2)
raw = model.getvalue()
sp = spm.SentencePieceProcessor(model_proto=raw)


def fields(data):  # protobuf's wire format, as much of it as is needed
    at = 0
    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]; at += 1
            value |= (byte & 127) << shift; shift += 7
            if byte < 128: return value
    while at < len(data):
        tag = varint()
        if tag & 7 == 2:
            size = varint(); yield tag >> 3, data[at:at + size]; at += size
        elif tag & 7 == 0: yield tag >> 3, varint()
        else: at += 4 if tag & 7 == 5 else 8


normalizer = next(v for f, v in fields(raw) if f == 3)
charsmap = next(v for f, v in fields(normalizer) if f == 2)
vocab = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
vocab += [(sp.id_to_piece(i), sp.get_score(i)) for i in range(3, sp.get_piece_size())]
vocab += [("<mask>", 0.0)]
tok = Tokenizer(Unigram(vocab, unk_id=3, byte_fallback=False))
tok.normalizer = normalizers.Sequence(
    [normalizers.Precompiled(charsmap), normalizers.Replace(__import__("tokenizers").Regex(" {2,}"), " ")])
tok.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
tok.decoder = decoders.Metaspace(replacement="\u2581", prepend_scheme="always")
tok.post_processor = processors.TemplateProcessing(
    single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
tok.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
from tokenizers import AddedToken
tok.add_special_tokens([AddedToken("<mask>", lstrip=True)])
tok.save(str(out / "tokenizer.json"), pretty=False)


def ids(a, b=None, limit=None, strategy="longest_first"):
    tok.no_truncation()
    if limit: tok.enable_truncation(max_length=limit, strategy=strategy)
    return (tok.encode(a, b) if b else tok.encode(a)).ids


nasty = [t["text"] for t in json.load(open(golden / "tokenizer_parity.json"))["texts"]]
nasty += ["ﬁne ﬂour ½ ㌔ Ⅷ ｆｕｌｌ　ｗｉｄｔｈ", "e\u0301 é \u212b Å", "a\u200bb\u00adc\ufeffd", "\u1e9b\u0323 \ufb03 \u3392"]
words = "one two three four five six seven eight nine ten eleven twelve".split()
pairs = [(" ".join(words[:n]), " ".join(words[-m:])) for n, m in itertools.product((1, 2, 4, 7, 12), repeat=2)]
pairs += [("a", ""), ("", "b"), ("東京 ﬁ", "タワー 😀")]


def pair(a, b):
    row = {"a": a, "b": b, "ids": ids(a, b), "ids_max16_longest_first": ids(a, b, 16)}
    try: row["ids_max16_only_second"] = ids(a, b, 16, "only_second")
    except Exception: pass  # the first alone is too long, which Python does not cut
    return row


json.dump({
    "texts": [{"text": t, "ids": ids(t), "ids_max16": ids(t, None, 16)} for t in nasty],
    "pairs": [pair(a, b) for a, b in pairs]}, open(out / "ids.json", "w"))
