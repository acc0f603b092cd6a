"""pycoder as a Qwen2 with a large bias of its keys: what breaks caches of such models, in a model whose text can be scored.

    python3 tools/pycoder/biased.py OUT [--size 30] [--model models/pycoder]

The bias, SIZE in the two slowest rotary pairs of each key head, is nearly the same at all positions of a few hundred tokens, so that
softmax hardly sees it: the model predicts as well as before. A codec that scales a row by its norm sees little else. NumPy only."""

import argparse
import json
import pathlib
import shutil
import struct

import numpy as np

import export

NAMES = {
    "attention_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "q": "self_attn.q_proj", "k": "self_attn.k_proj",
    "v": "self_attn.v_proj", "o": "self_attn.o_proj", "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj",
}


def key_bias(shape, size, random):
    bias = np.zeros((shape["kv_heads"], shape["head_dim"]), np.float32)
    half = shape["head_dim"] // 2
    for pair in (half - 2, half - 1):
        for coordinate in (pair, pair + half):
            bias[:, coordinate] = size * random.choice([-1, 1], shape["kv_heads"])
    return bias.reshape(-1)


def biased_tensors(weights, shape, size):
    tensors = {"model.embed_tokens.weight": weights["embedding"], "model.norm.weight": weights["norm"]}
    random = np.random.default_rng(1)
    for layer in range(shape["layers"]):
        prefix = f"model.layers.{layer}."
        for ours, theirs in NAMES.items():
            tensors[f"{prefix}{theirs}.weight"] = weights[f"layers.{layer}.{ours}"]
        tensors[prefix + "self_attn.q_proj.bias"] = np.zeros(shape["heads"] * shape["head_dim"], np.float32)
        tensors[prefix + "self_attn.k_proj.bias"] = key_bias(shape, size, random)
        tensors[prefix + "self_attn.v_proj.bias"] = np.zeros(shape["kv_heads"] * shape["head_dim"], np.float32)
    return tensors


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, tensor in tensors.items():
        kind = "F16" if tensor.dtype == np.float16 else "F32"
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"".join(np.ascontiguousarray(tensor).tobytes() for tensor in tensors.values()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=pathlib.Path, help="a folder")
    parser.add_argument("--size", type=float, default=30)
    parser.add_argument("--model", type=pathlib.Path, default=pathlib.Path("models/pycoder"))
    options = parser.parse_args()
    weights, shape, _ = export.from_gguf(options.model / "pycoder.f16.gguf")
    options.output.mkdir(parents=True, exist_ok=True)
    write_safetensors(options.output / "model.safetensors", biased_tensors(weights, shape, options.size))
    config = json.loads((options.model / "config.json").read_text())
    config |= {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"}
    (options.output / "config.json").write_text(json.dumps(config, indent=1))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(options.model / name, options.output / name)


if __name__ == "__main__":
    main()
