#!/usr/bin/python3
"""Write reference.json: tokens, logits, perplexities and greedy text from a forward pass of its own.

    reference.py --model models/pycoder/pycoder.f16.gguf --text pycoder-heldout.txt --out reference.json

NumPy in float64 from the f16 weights, written from the architecture's definition; it shares no code with model.py or
with the engine. Perplexity is counted as llama-perplexity does: consecutive windows, the second half of each scored
(positions n/2 .. n-2 predict the next token), no token in front.
"""
import argparse
import json
import math
import pathlib

import numpy as np

import export

SAMPLES = [
    "def add(a, b):\n    return a + b\n", "Hello world", "  x = [1, 22, 333, 4444]\n\n\n\treturn", "naïve café – “quotes” 你好 🙂", "",
    "it's  DON'T we'll\r\n\r\n",
]
PROMPTS = ["def read_config(path):\n", "class Stack:\n    def __init__(self):\n", "import os\n\ndef main():\n"]


class Forward:
    def __init__(self, weights, shape):
        self.w = {name: value.astype(np.float64) for name, value in weights.items()}
        self.shape = shape

    def normed(self, x, weight):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.shape["eps"]) * weight

    def __call__(self, ids):
        """Logits [tokens, vocab]."""
        shape, w = self.shape, self.w
        size, heads, kv_heads, n = shape["head_dim"], shape["heads"], shape["kv_heads"], len(ids)
        turn = np.outer(np.arange(n), shape["rope_theta"] ** (-np.arange(0, size, 2) / size))
        cos, sin = np.cos(turn), np.sin(turn)

        def rotated(x):
            first, second = x[..., :size // 2], x[..., size // 2:]
            return np.concatenate((first * cos - second * sin, second * cos + first * sin), -1)

        future = np.triu(np.full((n, n), -np.inf), 1)
        x = w["embedding"][ids]
        for layer in range(shape["layers"]):
            def matrix(name):
                return w[f"layers.{layer}.{name}"]

            h = self.normed(x, matrix("attention_norm"))
            q = rotated((h @ matrix("q").T).reshape(n, heads, size).transpose(1, 0, 2))
            k = rotated((h @ matrix("k").T).reshape(n, kv_heads, size).transpose(1, 0, 2))
            v = (h @ matrix("v").T).reshape(n, kv_heads, size).transpose(1, 0, 2)
            mixed = np.empty((n, heads, size))
            for head in range(heads):
                source = head // (heads // kv_heads)
                score = q[head] @ k[source].T / math.sqrt(size) + future
                weight = np.exp(score - score.max(-1, keepdims=True))
                mixed[:, head] = weight / weight.sum(-1, keepdims=True) @ v[source]
            x = x + mixed.reshape(n, -1) @ matrix("o").T
            h = self.normed(x, matrix("ffn_norm"))
            gate = h @ matrix("gate").T
            x = x + (gate / (1 + np.exp(-gate)) * (h @ matrix("up").T)) @ matrix("down").T
        return self.normed(x, w["norm"]) @ w["embedding"].T


def log_softmax(logits):
    top = logits.max(-1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))


def perplexity(forward, ids, window, chunks):
    nats = []
    for chunk in range(chunks):
        part = ids[chunk * window:(chunk + 1) * window]
        logs = log_softmax(forward(part))
        nats += [-logs[at, part[at + 1]] for at in range(window // 2, window - 1)]
    found = {"layers": forward.shape["layers"], "window": window, "chunks": chunks, "scored": len(nats), "ppl": math.exp(sum(nats) / len(nats))}
    print(found, flush=True)
    return found


def built_in_perplexities(weights, shape, tokenizer):
    """Of eval_text.py.txt beside the model; long windows on its first two layers, which tests can afford under sanitizers."""
    text = pathlib.Path(__file__).parents[2] / "models/pycoder/eval_text.py.txt"
    ids = tokenizer.encode(text.read_text(encoding="utf-8"))
    cases = ((shape["layers"], 128, 2), (2, 512, 1), (2, 2048, 1))
    return [perplexity(Forward(weights, {**shape, "layers": layers}), ids, window, chunks) for layers, window, chunks in cases]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    export.add_inputs(parser)
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    weights, shape, tokenizer = export.load(options)
    forward = Forward(weights, shape)

    out = {"note": " ".join(__doc__.split("\n\n")[2].split())}
    out["tokenizer"] = [{"text": text, "ids": tokenizer.encode(text)} for text in SAMPLES]
    ids = tokenizer.encode(options.text.read_text(encoding="utf-8")[:200_000])
    out["logits"] = []
    for first, last in ((0, 16), (100, 164), (1000, 1300)):
        logits = forward(ids[first:last])
        out["logits"].append({"ids": ids[first:last], "last": [round(x, 6) for x in logits[-1].tolist()], "argmax": logits.argmax(-1).tolist()})
    out["perplexity"] = [perplexity(forward, ids, *sizes) for sizes in ((128, 16), (512, 4), (2048, 1))]
    out["perplexity_of_built_in_text"] = built_in_perplexities(weights, shape, tokenizer)
    out["generation"] = []
    for prompt in PROMPTS:
        said = tokenizer.encode(prompt)
        begin = len(said)
        for _ in range(48):
            said.append(int(forward(said)[-1].argmax()))
        out["generation"].append({"prompt": prompt, "ids": said[begin:], "text": tokenizer.decode(said[begin:])})
        print(prompt + tokenizer.decode(said[begin:]), flush=True)
    options.out.write_text(json.dumps(out))


if __name__ == "__main__":
    main()
