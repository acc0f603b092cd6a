#!/usr/bin/python3
"""Choose the files, split them, train the tokenizer and encode.

    corpus.py --src DIR --out OUT [--vocab 3840] [--cap 5e6]

Reads what fetch.py left in DIR. Writes to OUT: train.bin and held.bin (uint16 tokens, a file ends with <|endoftext|>,
files of one package stand together in the order of their paths), bpe.json, corpus.json (what was kept and why not).
The result depends on the files alone: same packages, same bytes.
"""
import argparse
import ast
import collections
import hashlib
import json
import pathlib
import random
import warnings
from concurrent.futures import ProcessPoolExecutor

import numpy as np

import bpe

# Whole packages that neither the model nor the tokenizer sees: pycoder-heldout.txt was made of them.
HELD_OUT = ("python3-networkx", "python3-httpx", "python3-peewee", "python3-requests", "python3-seaborn")
MIN_BYTES, MAX_BYTES = 400, 150_000
LONG_LINE = 400
TRIVIAL = 25  # characters; shorter lines (`return None`) say nothing about where a file comes from


def load(path):
    """The text of a file, or the reason why it is left out."""
    size = path.stat().st_size
    if not MIN_BYTES < size < MAX_BYTES:
        return None, "size"
    try:
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n").replace("\t", "    ")
    except (UnicodeDecodeError, OSError):
        return None, "not UTF-8"
    if max(map(len, text.split("\n"))) > LONG_LINE:
        return None, "long lines"
    if sum(c > "\x7f" for c in text) > 0.02 * len(text):
        return None, "not English"
    if sum(c.isdigit() for c in text) > 0.12 * len(text):
        return None, "numbers"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None, "does not parse"
    return text, None


def header_of(text):
    """The comment lines that open a file."""
    end = 0
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.startswith("#"):
            break
        end += len(line)
    return text[:end]


def lines_of(text):
    """Hashes of the lines that are long enough to be somebody's."""
    kept = (line.strip() for line in text.split("\n"))
    return [int.from_bytes(hashlib.blake2b(line.encode(), digest_size=8).digest(), "little") for line in kept if len(line) > TRIVIAL]


def load_package(folder):
    listed = (folder / ".files").read_text().split("\n")[:-1]
    return [(name, *load(folder / name)) for name in sorted(listed)]


def choose(folders, cap):
    """Texts by package, for training and held out, and counts of what was dropped."""
    dropped = collections.Counter()
    with ProcessPoolExecutor() as pool:
        packages = dict(zip((f.name for f in folders), pool.map(load_package, folders)))

    held, foreign = [], set()
    for name in HELD_OUT:
        for _, text, _ in packages.get(name, []):
            if text:
                held.append(text)
                foreign.update(lines_of(text))

    headers = collections.Counter()
    train, seen = {}, set()
    for name, files in packages.items():
        if name in HELD_OUT:
            continue
        random.Random(name).shuffle(files)  # a cap must not prefer paths that begin with a
        kept, size = [], 0
        for path, text, reason in files:
            if reason:
                dropped[reason] += 1
                continue
            if size > cap:
                dropped["package is full"] += 1
                continue
            header = header_of(text)
            headers[header] += 1
            if len(header) > 200 and headers[header] > 20:  # a licence that the model knows by heart
                text = text[len(header):]
            lines = lines_of(text)
            if sum(line in foreign for line in lines) > 0.2 * len(lines):
                dropped["held out"] += 1
                continue
            if sum(line in seen for line in lines) > 0.5 * len(lines):
                dropped["seen before"] += 1
                continue
            seen.update(lines)
            kept.append((path, text))
            size += len(text)
        train[name] = [text for _, text in sorted(kept)]
    return train, held, dropped


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--vocab", type=int, default=3840)
    parser.add_argument("--cap", type=float, default=5e6, help="bytes of one package")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    folders = sorted(path.parent for path in options.src.glob("*/.files"))
    train, held, dropped = choose(folders, options.cap)
    texts = [text for texts in train.values() for text in texts]
    print(f"{len(texts)} files, {sum(map(len, texts)) / 1e6:.1f} MB; held out {len(held)} files, {sum(map(len, held)) / 1e6:.1f} MB; left out {dict(dropped)}", flush=True)

    sample = random.Random(1).sample(texts, len(texts))
    tokenizer = bpe.train(sample, options.vocab, characters=40_000_000)
    (options.out / "bpe.json").write_text(json.dumps(tokenizer.to_json(), ensure_ascii=False))

    counts = {}
    for name, part in (("train", texts), ("held", held)):
        with ProcessPoolExecutor() as pool:
            step = len(part) // 16 + 1
            pieces = list(pool.map(tokenizer.encode_files, [part[i:i + step] for i in range(0, len(part), step)]))
        tokens = np.concatenate(pieces)
        tokens.tofile(options.out / f"{name}.bin")
        counts[name] = {"files": len(part), "characters": sum(map(len, part)), "tokens": len(tokens)}
        print(name, counts[name], f"{counts[name]['characters'] / len(tokens):.3f} characters a token", flush=True)
    counts["left out"] = dict(dropped)
    counts["packages"] = {name: sum(map(len, part)) for name, part in train.items() if part}
    (options.out / "corpus.json").write_text(json.dumps(counts, indent=1))


if __name__ == "__main__":
    main()
