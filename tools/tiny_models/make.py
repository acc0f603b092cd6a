#!/usr/bin/python3
"""Write the tiny models' recipes and expected logits, one JSON file each.

    make.py OUTPUT_FOLDER [NAME...]          tests/engine/tiny_models is where the tests look

A recipe holds config.json, the tensors with their streams of numbers, and how a GGUF holds the same; tests make both
files from it. Logits are those of forward.py.
"""
import json
import pathlib
import sys

import numpy as np

import counted
import families
import forward


def runs_of(config):
    """(context, tokens, positions whose logits are kept)."""
    if config["model_type"] == "gpt2":
        return [(128, 120, [0, 17, 63, 119])]
    runs = [(640, 600, [0, 39, 64, 130, 511, 512, 513, 599])]
    if "original_max_position_embeddings" in config:
        runs.append((64, 60, [10, 59]))
    return runs


def recipe(name):
    config, kind = families.MODELS[name]
    tensors, weights = {}, {}
    for i, (tensor, (shape, exponent, added)) in enumerate(families.tensors(config).items()):
        seed = 1000 * (1 + list(families.MODELS).index(name)) + i
        tensors[tensor] = {"shape": shape, "seed": seed, "exponent": exponent, "added": added}
        weights[tensor] = counted.weights(seed, shape, exponent, added)
    gguf = {gguf_name: {"from": parts, "change": change} for gguf_name, (parts, change) in families.gguf_tensors(config).items()}
    extra = rope_tensors(config)
    runs = []
    for context, n, positions in runs_of(config):
        ids = counted.tokens(7, n, config["vocab_size"])
        logits = forward.forward(config, weights, ids, context)
        runs.append({"context": context, "tokens": n, "token_seed": 7,
                     "logits": {str(p): [float(f"{x:.9g}") for x in logits[p]] for p in positions}})
    head = config["n_embd"] // config["n_head"] if name == "gpt2" else families.head_dim(config)
    return {"type": kind, "head_dim": head, "config": config, "tensors": tensors, "gguf_keys": families.gguf_keys(config) | extra[0],
            "gguf": gguf, "gguf_floats": extra[1], "runs": runs}


def rope_tensors(config):
    """What GGUF keeps as tensors of factors and config.json as numbers: (keys, tensors)."""
    scaling = config.get("rope_scaling") or {}
    kind = scaling.get("rope_type", scaling.get("type"))
    dim = int(families.head_dim(config) * config.get("partial_rotary_factor", 1)) if "hidden_size" in config else 0
    as_f32 = lambda values: [float(np.float32(v)) for v in values]
    if kind == "llama3":
        base = config["rope_theta"] ** (-np.arange(0, dim, 2) / dim)
        return {}, {"rope_freqs.weight": as_f32(base / forward.rope_frequencies(config, dim, 0)[0])}
    if kind == "longrope":
        factor = forward.rope_frequencies(config, dim, 0)[1]
        return ({"phi3.rope.scaling.attn_factor": float(factor)},
                {"rope_factors_long.weight": as_f32(scaling["long_factor"]), "rope_factors_short.weight": as_f32(scaling["short_factor"])})
    return {}, {}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or families.MODELS:
        (folder / f"{name}.json").write_text(json.dumps(recipe(name), separators=(",", ":")) + "\n")
        print(name)


if __name__ == "__main__":
    main()
