#!/usr/bin/python3
"""Write a model of a known shape with random weights, as a GGUF or as a Hugging Face folder.

    synthetic_model.py smollm2-135m out.gguf --type q4_0            f16, q8_0 or q4_0
    synthetic_model.py llama-3.1-8b out/ --type bf16                bf16 or f16, in shards (--shard-bytes)

It says nothing, loads in any engine, and takes as much memory and time as the real one. The shapes are those of
`tq bench --synthetic`. Matrices are N(0, 1/columns), norms are 1 (f32 in a GGUF). Of `q4_0` and `q8_0` the embedding and
the output are q8_0, which is what `tq bench --synthetic` takes. Tokens are the bytes, then all pairs of bytes, then triples.
Tensors are made, and written, some rows at a time: memory does not depend on the size of the model. Needs numpy and regex.
"""
import argparse
import json
import math
import pathlib
import struct
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent / "pycoder"))
import bpe
import export

KEYS = ("vocab", "width", "layers", "heads", "kv_heads", "head_dim", "ffn", "context", "rope_theta")
SHAPES = {
    "smollm2-135m": (49152, 576, 30, 9, 3, 64, 1536, 8192, 100000.0, True, "llama"),
    "llama-3.2-1b": (128256, 2048, 16, 32, 8, 64, 8192, 131072, 500000.0, True, "llama"),
    "qwen3-0.6b": (151936, 1024, 28, 16, 8, 128, 3072, 40960, 1000000.0, True, "qwen3"),
    "llama-3.1-8b": (128256, 4096, 32, 32, 8, 128, 14336, 131072, 500000.0, False, "llama"),
}
SLAB_VALUES = 1 << 22  # made at a time


def shape_of(name, layers):
    values = SHAPES[name]
    shape = dict(zip(KEYS, values)) | {"tied": values[-2], "architecture": values[-1], "eps": 1e-5, "name": f"{name} (random)"}
    return shape | {"layers": layers or shape["layers"]}


def tensors_of(shape):
    """(name of pycoder's exporter, layer or None, dimensions) in the order of a file."""
    width, ffn, head = shape["width"], shape["ffn"], shape["head_dim"]
    q, kv = shape["heads"] * head, shape["kv_heads"] * head
    yield "embedding", None, (shape["vocab"], width)
    for layer in range(shape["layers"]):
        for role, dims in {"attention_norm": (width,), "q": (q, width), "k": (kv, width), "v": (kv, width), "o": (width, q),
                           "ffn_norm": (width,), "gate": (ffn, width), "up": (ffn, width), "down": (width, ffn)}.items():
            yield role, layer, dims
        if shape["architecture"] == "qwen3":
            yield "q_norm", layer, (head,)
            yield "k_norm", layer, (head,)
    yield "norm", None, (width,)
    if not shape["tied"]:
        yield "output", None, (shape["vocab"], width)


GGUF_NAMES = {"embedding": "token_embd", "norm": "output_norm", "output": "output", "q_norm": "attn_q_norm", "k_norm": "attn_k_norm"}
HF_NAMES = {"embedding": "model.embed_tokens", "norm": "model.norm", "output": "lm_head", "q_norm": "self_attn.q_norm",
            "k_norm": "self_attn.k_norm"}


def name_in(names, layer_names, layer_prefix, role, layer):
    stem = (names | layer_names)[role]
    return f"{stem}.weight" if layer is None else f"{layer_prefix}.{layer}.{stem}.weight"


def as_q8_0(x):
    blocks = x.reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / 127
    codes = np.rint(blocks / np.where(scale == 0, 1, scale)).astype(np.int8)
    return np.concatenate([scale.astype(np.float16).view(np.uint8), codes.view(np.uint8)], axis=1)


def as_q4_0(x):
    """The value of the largest magnitude becomes -8; values j and j+16 share a byte."""
    blocks = x.reshape(-1, 32)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)
    scale = largest / -8
    codes = np.minimum(blocks / np.where(scale == 0, 1, scale) + 8.5, 15).astype(np.uint8)
    return np.concatenate([scale.astype(np.float16).view(np.uint8), codes[:, :16] | codes[:, 16:] << 4], axis=1)


def as_bf16(x):
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


# type: (number in a GGUF, name in safetensors, bytes of a block, values of a block, coder)
TYPES = {
    "f32": (0, "F32", 4, 1, lambda x: x),
    "f16": (1, "F16", 2, 1, lambda x: x.astype(np.float16)),
    "bf16": (30, "BF16", 2, 1, as_bf16),
    "q4_0": (2, None, 18, 32, as_q4_0),
    "q8_0": (8, None, 34, 32, as_q8_0),
}


def size_of(dims, kind):
    return math.prod(dims) // TYPES[kind][3] * TYPES[kind][2]


def write_values(file, dims, kind, random):
    code = TYPES[kind][4]
    if len(dims) == 1:
        file.write(code(np.ones(dims, np.float32)).tobytes())
        return
    rows, columns = dims
    slab = max(1, SLAB_VALUES // columns)
    for first in range(0, rows, slab):
        x = random.standard_normal((min(slab, rows - first), columns), np.float32)
        x *= columns**-0.5
        file.write(code(x).tobytes())


def vocabulary(size):
    """All strings of bytes from the shortest on, and each is one byte more than one before."""
    return bpe.Tokenizer([(index // 256, index % 256) for index in range(size - 256 - len(bpe.SPECIAL))])


def gguf_metadata(shape, tokenizer, kind):
    arch = shape["architecture"]
    model = tokenizer.to_json()
    tokens = list(model["vocab"])
    return {
        "general.architecture": arch, "general.name": shape["name"], "general.file_type": {"f16": 1, "q4_0": 2, "q8_0": 7}[kind],
        "general.quantization_version": 2, f"{arch}.context_length": shape["context"], f"{arch}.embedding_length": shape["width"],
        f"{arch}.block_count": shape["layers"], f"{arch}.feed_forward_length": shape["ffn"], f"{arch}.attention.head_count": shape["heads"],
        f"{arch}.attention.head_count_kv": shape["kv_heads"], f"{arch}.attention.layer_norm_rms_epsilon": shape["eps"],
        f"{arch}.rope.dimension_count": shape["head_dim"], f"{arch}.attention.key_length": shape["head_dim"],
        f"{arch}.attention.value_length": shape["head_dim"], f"{arch}.rope.freq_base": shape["rope_theta"], f"{arch}.vocab_size": shape["vocab"],
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "llama-bpe", "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if token in bpe.SPECIAL else 1 for token in tokens],
        "tokenizer.ggml.merges": [f"{left} {right}" for left, right in model["merges"]],
        "tokenizer.ggml.bos_token_id": tokenizer.end, "tokenizer.ggml.eos_token_id": tokenizer.end, "tokenizer.ggml.add_bos_token": False,
    }


def write_gguf(shape, tokenizer, kind, path, random):
    outside = "f16" if kind == "f16" else "q8_0"
    tensors, offset, listed = [], 0, b""
    for role, layer, dims in tensors_of(shape):
        stored = "f32" if len(dims) == 1 else outside if layer is None else kind
        name = name_in(GGUF_NAMES, export.GGUF_LAYER, "blk", role, layer)
        listed += export.string(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *reversed(dims))
        listed += struct.pack("<IQ", TYPES[stored][0], offset)
        offset += size_of(dims, stored) + -size_of(dims, stored) % 32
        tensors.append((dims, stored))
    metadata = gguf_metadata(shape, tokenizer, kind)
    with path.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)))
        file.write(b"".join(export.entry(*item) for item in metadata.items()) + listed)
        for dims, stored in tensors:
            file.write(b"\0" * (-file.tell() % 32))
            write_values(file, dims, stored, random)


def shards_of(shape, kind, shard_bytes):
    """Lists of (name, dimensions), none with more bytes than asked for unless it is one tensor."""
    shards, size = [[]], 0
    for role, layer, dims in tensors_of(shape):
        bytes_ = size_of(dims, kind)
        if shards[-1] and size + bytes_ > shard_bytes:
            shards.append([])
            size = 0
        shards[-1].append((name_in(HF_NAMES, export.HF_LAYER, "model.layers", role, layer), dims))
        size += bytes_
    return shards


def write_folder(shape, tokenizer, kind, shard_bytes, folder, random):
    folder.mkdir(parents=True, exist_ok=True)
    shards, places = shards_of(shape, kind, shard_bytes), {}
    for index, tensors in enumerate(shards):
        name = f"model-{index + 1:05}-of-{len(shards):05}.safetensors" if len(shards) > 1 else "model.safetensors"
        header, end = {"__metadata__": {"format": "pt"}}, 0
        for tensor, dims in tensors:
            places[tensor] = name
            header[tensor] = {"dtype": TYPES[kind][1], "shape": dims, "data_offsets": [end, end + size_of(dims, kind)]}
            end += size_of(dims, kind)
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with (folder / name).open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for _, dims in tensors:
                write_values(file, dims, kind, random)
    if len(shards) > 1:
        total = sum(size_of(dims, kind) for tensors in shards for _, dims in tensors)
        index = {"metadata": {"total_size": total}, "weight_map": places}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
    export.write_config(shape, tokenizer, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"tie_word_embeddings": shape["tied"], "torch_dtype": {"f16": "float16", "bf16": "bfloat16"}[kind]}
    if shape["architecture"] == "qwen3":
        config |= {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("output", type=pathlib.Path, help="*.gguf, or a folder")
    parser.add_argument("--type", choices=("f16", "bf16", "q8_0", "q4_0"), default="f16")
    parser.add_argument("--layers", type=int, help="fewer than the shape has")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shard-bytes", type=int, default=4 << 30)
    options = parser.parse_args()
    shape = shape_of(options.shape, options.layers)
    random = np.random.default_rng(options.seed)
    gguf = options.output.suffix == ".gguf"
    if options.type not in (("f16", "q8_0", "q4_0") if gguf else ("f16", "bf16")):
        parser.error(f"{options.type} is no type for {'a GGUF' if gguf else 'a folder'} of this tool")
    tokenizer = vocabulary(shape["vocab"])
    if gguf:
        write_gguf(shape, tokenizer, options.type, options.output, random)
    else:
        write_folder(shape, tokenizer, options.type, options.shard_bytes, options.output, random)


if __name__ == "__main__":
    main()
