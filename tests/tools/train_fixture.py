#!/usr/bin/env python3
"""Trains tests/fixtures/tiny-llama: a LLaMA-2-architecture model of 2.3 million parameters on the
articles of corpora/tech-policy, in Hugging Face's form (config.json, model.safetensors in BF16,
tokenizer.model by SentencePiece). Needs `pip install jax sentencepiece`; takes about 15 minutes on two
processors. The committed files were made by

    python3 tests/tools/train_fixture.py tests/fixtures/tiny-llama

and another run gives another model: the tests only ask that it does the same everywhere.
"""
import json
import pathlib
import re
import struct
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import sentencepiece

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIM, LAYERS, HEADS, KV_HEADS, FFN, VOCAB, CONTEXT = 256, 3, 4, 2, 512, 1024, 256
HEAD = DIM // HEADS
EPS, THETA = 1e-5, 10000.0
STEPS, BATCH, SPAN, RATE = 1600, 12, 128, 2e-3


def corpus():
    texts = []
    for path in sorted((ROOT / "corpora" / "tech-policy").glob("*/*.md")):
        text = path.read_text(encoding="utf-8")
        texts.append(re.sub(r"^---\n.*?\n---\n", "", text, flags=re.S).replace("#", "").strip())
    return texts


def train_tokenizer(texts, folder):
    plain = folder / "corpus.txt"
    plain.write_text("\n".join(texts), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(plain), model_prefix=str(folder / "tokenizer"), vocab_size=VOCAB,
        model_type="bpe", byte_fallback=True, character_coverage=0.9995, split_digits=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True, unk_id=0, bos_id=1, eos_id=2, pad_id=-1)
    plain.unlink()
    (folder / "tokenizer.vocab").unlink()
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))


def init(key):
    """Weights under their Hugging Face names, [out, in]."""
    shapes = {"model.embed_tokens.weight": (VOCAB, DIM), "lm_head.weight": (VOCAB, DIM)}
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        shapes |= {
            p + "self_attn.q_proj.weight": (HEADS * HEAD, DIM),
            p + "self_attn.k_proj.weight": (KV_HEADS * HEAD, DIM),
            p + "self_attn.v_proj.weight": (KV_HEADS * HEAD, DIM),
            p + "self_attn.o_proj.weight": (DIM, HEADS * HEAD),
            p + "mlp.gate_proj.weight": (FFN, DIM),
            p + "mlp.up_proj.weight": (FFN, DIM),
            p + "mlp.down_proj.weight": (DIM, FFN),
        }
    keys = jax.random.split(key, len(shapes))
    w = {n: 0.02 * jax.random.normal(k, s) for k, (n, s) in zip(keys, shapes.items())}
    norms = [f"model.layers.{i}.{n}.weight" for i in range(LAYERS)
             for n in ("input_layernorm", "post_attention_layernorm")] + ["model.norm.weight"]
    return w | {n: jnp.ones(DIM) for n in norms}


def rms(x, g):
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + EPS) * g


def rope(x):
    """x [batch, time, heads, HEAD]; Hugging Face's half-split pairs."""
    f = THETA ** (-jnp.arange(0, HEAD, 2) / HEAD)
    a = jnp.arange(x.shape[1])[:, None] * f[None]
    cos, sin = jnp.cos(a)[None, :, None], jnp.sin(a)[None, :, None]
    lo, hi = jnp.split(x, 2, -1)
    return jnp.concatenate([lo * cos - hi * sin, hi * cos + lo * sin], -1)


def forward(w, tokens):
    b, t = tokens.shape
    x = w["model.embed_tokens.weight"][tokens]
    mask = jnp.tril(jnp.ones((t, t), bool))
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        h = rms(x, w[p + "input_layernorm.weight"])
        q = rope((h @ w[p + "self_attn.q_proj.weight"].T).reshape(b, t, HEADS, HEAD))
        k = rope((h @ w[p + "self_attn.k_proj.weight"].T).reshape(b, t, KV_HEADS, HEAD))
        v = (h @ w[p + "self_attn.v_proj.weight"].T).reshape(b, t, KV_HEADS, HEAD)
        k, v = (jnp.repeat(z, HEADS // KV_HEADS, 2) for z in (k, v))
        s = jnp.einsum("bthd,bshd->bhts", q, k) / HEAD**0.5
        a = jax.nn.softmax(jnp.where(mask, s, -1e9), -1)
        x = x + jnp.einsum("bhts,bshd->bthd", a, v).reshape(b, t, -1) @ w[p + "self_attn.o_proj.weight"].T
        h = rms(x, w[p + "post_attention_layernorm.weight"])
        h = jax.nn.silu(h @ w[p + "mlp.gate_proj.weight"].T) * (h @ w[p + "mlp.up_proj.weight"].T)
        x = x + h @ w[p + "mlp.down_proj.weight"].T
    return rms(x, w["model.norm.weight"]) @ w["lm_head.weight"].T


def loss(w, tokens):
    logits = forward(w, tokens[:, :-1])
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), tokens[:, 1:, None], -1))


@jax.jit
def step(w, m, v, tokens, n):
    """AdamW with cosine decay and warm-up."""
    value, g = jax.value_and_grad(loss)(w, tokens)
    norm = jnp.sqrt(sum(jnp.sum(x * x) for x in jax.tree.leaves(g)))
    g = jax.tree.map(lambda x: x * jnp.minimum(1, 1 / norm), g)
    rate = RATE * jnp.minimum((n + 1) / 50, 0.5 * (1 + jnp.cos(jnp.pi * n / STEPS)) + 0.02)
    m = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, m, g)
    v = jax.tree.map(lambda a, b: 0.98 * a + 0.02 * b * b, v, g)
    c1, c2 = 1 - 0.9 ** (n + 1), 1 - 0.98 ** (n + 1)
    w = jax.tree.map(lambda p, a, b: p - rate * (a / c1 / (jnp.sqrt(b / c2) + 1e-9) + 0.01 * p), w, m, v)
    return w, m, v, value


def save(w, folder):
    header, blobs, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name in sorted(w):
        blob = np.asarray(w[name].astype(jnp.bfloat16)).tobytes()
        header[name] = {"dtype": "BF16", "shape": list(w[name].shape),
                        "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "hidden_size": DIM, "intermediate_size": FFN, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "vocab_size": VOCAB,
        "max_position_embeddings": CONTEXT, "rms_norm_eps": EPS, "rope_theta": THETA,
        "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    texts = corpus()
    tokenizer = train_tokenizer(texts, folder)
    stream = np.array([t for text in texts for t in [1, *tokenizer.encode(text), 2]])
    print(f"{len(texts)} articles, {len(stream)} tokens")
    rng = np.random.default_rng(20261124)
    w = init(jax.random.key(20261124))
    m = jax.tree.map(jnp.zeros_like, w)
    v = jax.tree.map(jnp.zeros_like, w)
    start = time.time()
    for n in range(STEPS):
        at = rng.integers(0, len(stream) - SPAN - 1, BATCH)
        w, m, v, value = step(w, m, v, jnp.array([stream[a:a + SPAN + 1] for a in at]), n)
        if n % 50 == 0 or n == STEPS - 1:
            print(f"step {n}: loss {value:.3f}, {time.time() - start:.0f} s", flush=True)
    save(w, folder)


main(pathlib.Path(sys.argv[1]))
