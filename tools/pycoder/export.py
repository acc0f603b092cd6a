#!/usr/bin/python3
"""Write a trained model as a Hugging Face folder or as a GGUF.

    export.py --trained DIR [--gguf FILE] [--folder DIR]        from weights.npz, log.json and bpe.json of a training run
    export.py --model pycoder.f16.gguf --folder DIR             from the GGUF that the repository holds

Matrices are f16 and norms f32 in both; the two differ in the order of the rows of q and k (half split against adjacent
pairs, as each format has it) and in nothing else.
"""
import argparse
import json
import math
import pathlib
import struct

import numpy as np

import bpe

HF_LAYER = {
    "attention_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "q": "self_attn.q_proj", "k": "self_attn.k_proj",
    "v": "self_attn.v_proj", "o": "self_attn.o_proj", "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj",
}
GGUF_LAYER = {
    "attention_norm": "attn_norm", "ffn_norm": "ffn_norm", "q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output",
    "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down",
}


def adjacent_pairs(matrix, heads):
    """Rows of each head from (first half, second half) to (pair, pair, ...)."""
    return matrix.reshape(heads, 2, -1, matrix.shape[1]).transpose(0, 2, 1, 3).reshape(matrix.shape)


def write_safetensors(tensors, path):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name in sorted(tensors):
        raw = tensors[name].tobytes()
        kind = "F16" if tensors[name].dtype == np.float16 else "F32"
        header[name] = {"dtype": kind, "shape": list(tensors[name].shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_folder(weights, shape, tokenizer, folder):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"model.embed_tokens.weight": weights["embedding"], "model.norm.weight": weights["norm"]}
    for layer in range(shape["layers"]):
        for ours, theirs in HF_LAYER.items():
            tensors[f"model.layers.{layer}.{theirs}.weight"] = weights[f"layers.{layer}.{ours}"]
    write_safetensors(tensors, folder / "model.safetensors")
    write_config(shape, tokenizer, folder)


def write_config(shape, tokenizer, folder):
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": shape["width"], "intermediate_size": shape["ffn"],
        "num_hidden_layers": shape["layers"], "num_attention_heads": shape["heads"], "num_key_value_heads": shape["kv_heads"],
        "head_dim": shape["head_dim"], "vocab_size": shape["vocab"], "max_position_embeddings": shape["context"], "rms_norm_eps": shape["eps"],
        "rope_theta": shape["rope_theta"], "hidden_act": "silu", "tie_word_embeddings": True, "attention_bias": False, "mlp_bias": False,
        "bos_token_id": tokenizer.end, "eos_token_id": tokenizer.end, "torch_dtype": "float16",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    special = [
        {"id": tokenizer.end + i, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i, name in enumerate(bpe.SPECIAL)
    ]
    model = tokenizer.to_json()
    split = {"type": "Split", "pattern": {"Regex": bpe.PATTERN}, "behavior": "Isolated", "invert": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    whole = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]}, "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
            "byte_fallback": False, "ignore_merges": True, **model,
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")
    settings = {
        "bos_token": bpe.SPECIAL[0], "eos_token": bpe.SPECIAL[0], "add_bos_token": False, "add_eos_token": False,
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": shape["context"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")


def string(text):
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(key, value):
    """One metadata entry: bool, int (u32), float (f32), text, a list of texts or a list of ints (i32)."""
    if isinstance(value, bool):
        return string(key) + struct.pack("<IB", 7, value)
    if isinstance(value, int):
        return string(key) + struct.pack("<II", 4, value)
    if isinstance(value, float):
        return string(key) + struct.pack("<If", 6, value)
    if isinstance(value, str):
        return string(key) + struct.pack("<I", 8) + string(value)
    if isinstance(value[0], str):
        return string(key) + struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(string, value))
    return string(key) + struct.pack("<IIQ", 9, 5, len(value)) + struct.pack(f"<{len(value)}i", *value)


def write_gguf(weights, shape, tokenizer, path):
    model = tokenizer.to_json()
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    metadata = {
        "general.architecture": "llama", "general.name": "pycoder", "general.license": "mit", "general.file_type": 1,
        "llama.context_length": shape["context"], "llama.embedding_length": shape["width"], "llama.block_count": shape["layers"],
        "llama.feed_forward_length": shape["ffn"], "llama.attention.head_count": shape["heads"], "llama.attention.head_count_kv": shape["kv_heads"],
        "llama.attention.layer_norm_rms_epsilon": shape["eps"], "llama.rope.dimension_count": shape["head_dim"],
        "llama.attention.key_length": shape["head_dim"], "llama.attention.value_length": shape["head_dim"],
        "llama.rope.freq_base": shape["rope_theta"], "llama.vocab_size": shape["vocab"],
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "llama-bpe", "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if token in bpe.SPECIAL else 1 for token in tokens],
        "tokenizer.ggml.merges": [f"{left} {right}" for left, right in model["merges"]],
        "tokenizer.ggml.bos_token_id": tokenizer.end, "tokenizer.ggml.eos_token_id": tokenizer.end, "tokenizer.ggml.add_bos_token": False,
    }
    tensors = {"token_embd.weight": weights["embedding"], "output_norm.weight": weights["norm"]}
    for layer in range(shape["layers"]):
        for ours, theirs in GGUF_LAYER.items():
            matrix = weights[f"layers.{layer}.{ours}"]
            if ours in ("q", "k"):
                matrix = adjacent_pairs(matrix, shape["heads"] if ours == "q" else shape["kv_heads"])
            tensors[f"blk.{layer}.{theirs}.weight"] = matrix
    listed, data = b"", b""
    for name, tensor in tensors.items():
        data += b"\0" * (-len(data) % 32)
        listed += string(name) + struct.pack("<I", tensor.ndim) + struct.pack(f"<{tensor.ndim}Q", *reversed(tensor.shape))
        listed += struct.pack("<IQ", 1 if tensor.dtype == np.float16 else 0, len(data))
        data += tensor.tobytes()
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)) + b"".join(entry(*item) for item in metadata.items()) + listed
    path.write_bytes(head + b"\0" * (-len(head) % 32) + data)


def half_split(matrix, heads):
    """The inverse of adjacent_pairs."""
    return matrix.reshape(heads, -1, 2, matrix.shape[1]).transpose(0, 2, 1, 3).reshape(matrix.shape)


def read_gguf(path):
    """Metadata and tensors of a GGUF of f16 and f32 tensors."""
    raw, at = path.read_bytes(), 0

    def take(form):
        nonlocal at
        values = struct.unpack_from("<" + form, raw, at)
        at += struct.calcsize("<" + form)
        return values[0] if len(values) == 1 else values

    def text():
        nonlocal at
        size = take("Q")
        at += size
        return raw[at - size:at].decode()

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            inner, count = take("IQ")
            return [value(inner) for _ in range(count)]
        return take({4: "I", 5: "i", 6: "f", 7: "?"}[kind])

    magic, version, tensor_count, entries = take("4sIQQ")
    if magic != b"GGUF" or version != 3:
        raise SystemExit(f"{path} is not a GGUF of version 3")
    metadata = {}
    for _ in range(entries):
        key = text()
        metadata[key] = value(take("I"))
    listed = []
    for _ in range(tensor_count):
        name, rank = text(), take("I")
        listed.append((name, [take("Q") for _ in range(rank)][::-1], *take("IQ")))
    begin = at + -at % 32
    tensors = {}
    for name, dimensions, kind, offset in listed:
        dtype = {0: np.float32, 1: np.float16}[kind]
        tensors[name] = np.frombuffer(raw, dtype, math.prod(dimensions), begin + offset).reshape(dimensions)
    return metadata, tensors


def from_gguf(path):
    metadata, tensors = read_gguf(path)

    def of(key):
        return metadata["llama." + key]

    shape = {
        "vocab": of("vocab_size"), "width": of("embedding_length"), "layers": of("block_count"), "heads": of("attention.head_count"),
        "kv_heads": of("attention.head_count_kv"), "head_dim": of("attention.key_length"), "ffn": of("feed_forward_length"),
        "context": of("context_length"), "rope_theta": of("rope.freq_base"),
        "eps": float(f"{of('attention.layer_norm_rms_epsilon'):.6g}"),  # the nearest short decimal of the f32
    }
    weights = {"embedding": tensors["token_embd.weight"], "norm": tensors["output_norm.weight"]}
    for layer in range(shape["layers"]):
        for ours, theirs in GGUF_LAYER.items():
            tensor = tensors[f"blk.{layer}.{theirs}.weight"]
            if ours in ("q", "k"):
                tensor = np.ascontiguousarray(half_split(tensor, shape["heads"] if ours == "q" else shape["kv_heads"]))
            weights[f"layers.{layer}.{ours}"] = tensor
    ids = {token: index for index, token in enumerate(metadata["tokenizer.ggml.tokens"])}
    merges = [tuple(ids[part] for part in merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    return weights, shape, bpe.Tokenizer(merges)


def load(options):
    """Weights (half-split rows), shape and tokenizer, of a training run or of a GGUF."""
    if options.model:
        return from_gguf(options.model)
    weights = {name: np.ascontiguousarray(value) for name, value in np.load(options.trained / "weights.npz").items()}
    shape = json.loads((options.trained / "log.json").read_text())["shape"]
    return weights, shape, bpe.Tokenizer.from_json(json.loads((options.trained / "bpe.json").read_text()))


def add_inputs(parser):
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--trained", type=pathlib.Path, help="folder with weights.npz, log.json and bpe.json")
    source.add_argument("--model", type=pathlib.Path, help="GGUF that this program wrote")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_inputs(parser)
    parser.add_argument("--gguf", type=pathlib.Path)
    parser.add_argument("--folder", type=pathlib.Path)
    options = parser.parse_args()
    weights, shape, tokenizer = load(options)
    if options.gguf:
        write_gguf(weights, shape, tokenizer, options.gguf)
    if options.folder:
        write_folder(weights, shape, tokenizer, options.folder)


if __name__ == "__main__":
    main()
