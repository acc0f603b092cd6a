"""Byte-level byte-pair encoding with Llama 3's pre-tokenizer: training and encoding, small enough to be read."""
import collections
import functools

import numpy as np
import regex

PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPLIT = regex.compile(PATTERN)
SPECIAL = ("<|endoftext|>", "<|begin|>")  # the last two ids


@functools.cache
def byte_names():
    """GPT-2's printable character for each byte: itself where it is visible, else the next from U+0100 on."""
    names, spare = {}, 256
    for byte in range(256):
        if 33 <= byte < 127 or 161 <= byte < 173 or 174 <= byte:
            names[byte] = chr(byte)
        else:
            names[byte] = chr(spare)
            spare += 1
    return names


class Tokenizer:
    """Merges in order; id 256+i is merge i, the ids below are bytes."""

    def __init__(self, merges):
        self.merges = merges
        self.rank = {pair: index for index, pair in enumerate(merges)}
        self.tokens = [bytes([byte]) for byte in range(256)]
        for left, right in merges:
            self.tokens.append(self.tokens[left] + self.tokens[right])
        self.whole = {token: index for index, token in enumerate(self.tokens)}
        self.end = len(self.tokens)  # <|endoftext|>
        self.size = self.end + len(SPECIAL)
        self._words = {}

    def encode_word(self, word):
        """Ids of one piece of SPLIT, as bytes; a piece that is a token is that token."""
        if word in self.whole:
            return [self.whole[word]]
        ids = list(word)
        while len(ids) > 1:
            rank, at = min((self.rank.get(pair, 1 << 30), at) for at, pair in enumerate(zip(ids, ids[1:])))
            if rank == 1 << 30:
                break
            ids[at:at + 2] = [256 + rank]
        return ids

    def encode(self, text):
        ids = []
        for word in SPLIT.findall(text):
            found = self._words.get(word)
            if found is None:
                found = self.encode_word(word.encode())
                if len(word) < 24:
                    self._words[word] = found
            ids.extend(found)
        return ids

    def encode_files(self, texts):
        parts = [np.array(self.encode(text) + [self.end], dtype=np.uint16) for text in texts]
        return np.concatenate(parts) if parts else np.zeros(0, np.uint16)

    def decode(self, ids):
        return b"".join(self.tokens[i] for i in ids if i < self.end).decode("utf-8", "replace")

    def named(self, token):
        names = byte_names()
        return "".join(names[byte] for byte in self.tokens[token])

    def to_json(self):
        vocab = {self.named(i): i for i in range(self.end)} | {name: self.end + i for i, name in enumerate(SPECIAL)}
        return {"vocab": vocab, "merges": [[self.named(a), self.named(b)] for a, b in self.merges]}

    @classmethod
    def from_json(cls, data):
        ids = data["vocab"]
        return cls([(ids[a], ids[b]) for a, b in data["merges"]])


def train(texts, vocab, characters):
    """Learn merges from the first texts, about `characters` of them; ties go to the pair of lower ids."""
    counts, read = collections.Counter(), 0
    for text in texts:
        counts.update(SPLIT.findall(text))
        read += len(text)
        if read > characters:
            break
    words = [[list(word.encode()), count] for word, count in counts.items() if count > 1]
    pairs, places = collections.Counter(), collections.defaultdict(set)
    for index, (ids, count) in enumerate(words):
        for pair in zip(ids, ids[1:]):
            pairs[pair] += count
            places[pair].add(index)

    merges = []
    while 256 + len(merges) + len(SPECIAL) < vocab:
        best = max(pairs, key=lambda pair: (pairs[pair], -pair[0], -pair[1]))
        new = 256 + len(merges)
        merges.append(best)
        for index in places.pop(best):
            ids, count = words[index]
            for pair in zip(ids, ids[1:]):
                pairs[pair] -= count
            merged, at = [], 0
            while at < len(ids):
                if tuple(ids[at:at + 2]) == best:
                    merged.append(new)
                    at += 2
                else:
                    merged.append(ids[at])
                    at += 1
            words[index][0] = merged
            for pair in zip(merged, merged[1:]):
                pairs[pair] += count
                places[pair].add(index)
        del pairs[best]
    return Tokenizer(merges)
