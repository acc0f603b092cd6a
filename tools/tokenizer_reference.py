#!/usr/bin/env python3
"""Tokenizers written a second time, from the published algorithms, to check those of src/text against.

    tools/tokenizer_reference.py [SHARED_DATA]

writes tests/text/reference/: small vocabularies (a tokenizer.model of each kind, a rank file) and expected.json, which
has texts that are hard to tokenize and, for each vocabulary, how many ids each becomes and their FNV-1a hash. Nothing
here is fast or shared with the program: words come from the module `regex`, merges are done pass by pass over the whole
word, and the best path is searched forwards with a dictionary. With SHARED_DATA, the vocabularies of real models there
are used too; without it their figures are kept as they are.

Algorithms: byte-level BPE as in Radford et al. 2019 (GPT-2), its merging by rank; BPE by score and unigram as in
SentencePiece (Kudo and Richardson 2018; Kudo 2018); double arrays as darts-clone packs them.
"""

import base64
import json
import math
import pathlib
import struct
import sys
import unicodedata

import regex

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "tests" / "text" / "reference"
MARK = "\u2581"

# ---------------------------------------------------------------------------------------------------------- the texts


def corpus():
    """(name, bytes, times): the text is the bytes so many times."""
    texts = [
        ("empty", "", 1),
        ("a space", " ", 1),
        ("words", "It's 12345 words, don't you KNOW?  They'LL say: 'we\u017fe'.", 1),
        ("emoji", "\U0001F600\U0001F468\u200d\U0001F469\u200d\U0001F467 \U0001F1E9\U0001F1EA \u2764\ufe0f!", 1),
        ("marks", "e\u0301 a\u0308\u0323 \u0301\u0301x n\u0303o \u0928\u093f\u0939\u093e\u0930", 1),
        ("marks in a row", "z\u0336\u0301\u0316", 12),
        ("right to left", "\u0634\u0643\u0631\u0627 \u05e9\u05dc\u05d5\u05dd \u202bab\u202c \u0660\u0661\u0662 \u061f", 1),
        ("mongolian separator", "a\u180eb \u180e\u180e! 1\u180e2\n\u180e\n", 1),
        ("white space of all kinds", "a\u00a0b\u2003\u2003c\u2028d\u3000e\u0085f\u200bg\ufeffh\u001ci \t j\x0b\x0ck", 1),
        ("line ends", "a\r\nb\r\n\r\n  c\n\n\n d\r\r e \n\n", 1),
        ("spaces at both ends", "   a  b   ", 1),
        ("spaces before a digit", "x      7      y", 1),
        ("han, kana, hangul", "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u3053\u3093\u306b\u3061\u306f\u30ab\u30bf\u30ab\u30ca"
         "\uac00\ub098\ub2e4 \u4e00a\u4e8cB\u3005\u3007", 1),
        ("full width", "\uff21\uff22\uff43\uff11\uff12\uff13\uff01\u2460\u2461 \ufb01n \u212b", 1),
        ("scripts", "\u0420\u0443\u0441\u0441\u043a\u0438\u0439 \u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac "
         "\u0e44\u0e17\u0e22 \u10e5\u10d0\u10e0 \u01c5\u02b0\u00aa \u2163\u00bd\u00b2", 1),
        ("code", "def f(x):\n\treturn  {'a': [1,2.5e-3]} != None  # ok?\n\n\nfor(;;){i+=0x1F;}//\\n\r\n", 1),
        ("signs", "!!! ?! $100+5=<tag> ^_^ `a` ~ | [x]{y} \u2026\u2014\u00ab\u00bb\u20ac\u00a3 a/b//c\n/", 1),
        ("contractions", "I'm he'S we'Re 'tis rock'n'roll ''d d'd'D", 1),
        ("cases", "camelCaseHTTPServer XMLs \u00c9t\u00c9 AbC", 1),
        ("special words", "<s></s><unk><0x41><|endoftext|> <sentinel:12> IMGIMGABZ", 1),
        ("control characters", "a\x00b\x01\x02\x1b[0m\x7f\u0080\u009f", 1),
        ("the mark itself", "\u2581a \u2581\u2581 b\u2581", 1),
        ("beyond the plane", "\U00010330\U0001d4d0\U0002000b\U000e0001\U0010ffff", 1),
    ]
    data = [(name, text.encode(), times) for name, text, times in texts]
    data += [
        ("lone continuation bytes", b"\x80\x80a\xbf \x80", 1),
        ("cut characters", b"a\xe4\xbd b\xf0\x9f\x98 \xc3", 1),
        ("like surrogates", b"\xed\xa0\x80\xed\xb0\x80x\xed\x9f\xbf", 1),
        ("too long and too large", b"\xc0\x80\xe0\x80\xaf\xf4\x90\x80\x80\xf8\xff\xfe", 1),
        ("every byte", bytes(range(256)), 1),
        ("one letter", b"a", 100_000),
        ("one capital", b"A", 100_000),
        ("one space", b" ", 3_001),
        ("spaces and lines", b" \n", 2_000),
        ("digits", b"7", 10_001),
        ("one mark", "\u0301".encode(), 40),
        ("one sign", b"!", 5_000),
        ("a broken byte", b"\xff", 2_000),
    ]
    return data


def runs(data):
    """(text, is_valid): maximal runs of UTF-8 and of bytes that are none; those as U+DC80 and up."""
    text = data.decode("utf-8", "surrogateescape")
    for run in regex.findall(r"[\uDC80-\uDCFF]+|[^\uDC80-\uDCFF]+", text):
        yield run, not "\udc80" <= run[0] <= "\udcff"


def fingerprint(ids):
    value = 0xCBF29CE484222325
    for i in ids:
        for byte in struct.pack("<I", i):
            value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return [len(ids), f"{value:016x}"]


# ------------------------------------------------------------------------------------------------------ pre-tokenizers

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|" + TAIL
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|" + TAIL
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
CASED = r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + "+{0}|" + r"[^\r\n\p{L}\p{N}]?" + UPPER + "+" + LOWER + "*{0}|"
SLASH_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT4O = CASED.replace("{0}", CONTRACTIONS + "?") + r"\p{N}{1,3}|" + SLASH_TAIL
HAN = r"[\p{Han}]+|"
KIMI = HAN + (CASED.replace("{0}", CONTRACTIONS + "?").replace(UPPER, UPPER[:-1] + r"&&[^\p{Han}]]")
              .replace(LOWER, LOWER[:-1] + r"&&[^\p{Han}]]")) + r"\p{N}{1,3}|" + TAIL
CJK = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
DEEPSEEK_CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
BLOOM = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"


def deepseek_letters():
    """Letters with case, as the model's authors listed them, are read from the table of the program: a list is no
    algorithm, and a second copy could only be a copy."""
    source = (ROOT / "src/text/pre_tokenizer_table.cpp").read_text()
    block = source[source.index("kDeepseekLetters ="):]
    text = "".join(regex.findall(r'"(.*?)"', block[:block.index(";")])).replace("\\\\", "\\")
    return regex.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m.group(1), 16)), text)


PRE = {
    "llama-bpe": [LLAMA3],
    "dbrx": [LLAMA3],
    "gpt-2": [GPT2],
    "qwen2": [QWEN2],
    "qwen35": [CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+"
               r"|\s+(?!\S)|\s+"],
    "starcoder": [r"\p{N}", GPT2],
    "tekken": [CASED.replace("{0}", "") + r"\p{N}|" + SLASH_TAIL],
    "gpt-4o": [GPT4O],
    "deepseek-llm": [r"[\r\n]", deepseek_letters(), "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
                     r"\s+$", DEEPSEEK_CJK, r"\p{N}"],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", DEEPSEEK_CJK, r"\p{N}"],
    "deepseek-v3": [r"\p{N}{1,3}", CJK,
                    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
                    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
    "youtu": ["[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f"
              "\ufe30-\ufe4f]+|[\u3105-\u312f]+|" + CJK,
              CASED.replace("{0}", CONTRACTIONS + "?") + r"\p{N}|" + SLASH_TAIL],
    "kimi-k2": ["(?V1)" + KIMI],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"],
    "poro-chat": [BLOOM],
    "viking": [BLOOM, r"\p{N}"],
    "chameleon": ["<sentinel:[0-9]+>", "(?:IMGIMG)(?:(?:A|B|C|D|E|F|G|H|I){1,4})Z", r"(?:[\t\n]|    |  )", r"\p{N}",
                  r"[\p{P}!-/:-@\[-`{-~]", GPT2],
    "bailingmoe": [r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"
                   r"|\s+(?!\S)|\s+"],
    "seed-coder": [CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"],
    "ufakzeka": [r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|" + TAIL],
    "laguna": [r"[^\n]+|[\n]+", QWEN2],
    "minicpm5": [r"\p{N}{1,3}", CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+|" + TAIL],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
}
TAKES_WORDS_WHOLE = {"llama-bpe", "tekken", "youtu"}


def isolate(pattern, words):
    """Each match is a word, and so is what lies between two."""
    for word in words:
        done = 0
        for match in pattern.finditer(word):
            if match.end() == match.start():
                continue
            if match.start() > done:
                yield word[done:match.start()]
            yield match.group()
            done = match.end()
        if done < len(word):
            yield word[done:]


def words_of(data, patterns, form=None):
    compiled = [regex.compile(p) for p in patterns]
    for run, is_valid in runs(data):
        if not is_valid:
            yield run.encode("utf-8", "surrogateescape")
            continue
        words = [unicodedata.normalize(form, run) if form else run]
        for pattern in compiled:
            words = list(isolate(pattern, words))
        for word in words:
            yield word.encode()


# ------------------------------------------------------------------------------------------------------ byte-level BPE


def alphabet():
    """byte -> character."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {b: chr(b) for b in printable}
    for n, b in enumerate(b for b in range(256) if b not in table):
        table[b] = chr(0x100 + n)
    return table


def bytes_of_token(text, inverse={c: b for b, c in alphabet().items()}):
    return bytes(inverse[c] for c in text) if all(c in inverse for c in text) else text.encode()


def merge_pass(parts, left, right):
    merged, i = [], 0
    while i < len(parts):
        if i + 1 < len(parts) and parts[i] == left and parts[i + 1] == right:
            merged.append(left + right)
            i += 2
        else:
            merged.append(parts[i])
            i += 1
    return merged


def merge(parts, rank):
    """Again and again all of the most urgent pair, from the left. `rank(left, right)`: None when they do not merge."""
    parts = list(parts)
    while len(parts) > 1:
        ranked = [(r, pair) for pair in set(zip(parts, parts[1:])) if (r := rank(*pair)) is not None]
        if not ranked:
            break
        parts = merge_pass(parts, *min(ranked)[1])
    return parts


class ByteBpe:
    def __init__(self, ids, merges, patterns, whole=False, form=None):
        """`ids`: bytes -> id; `merges`: pairs of bytes, or None: any two that spell a token, the lowest id first."""
        self.ids, self.patterns, self.whole, self.form = ids, patterns, whole, form
        if merges is None:
            self.rank = lambda left, right: ids.get(left + right)
        else:
            ranks = {}
            for n, pair in enumerate(merges):
                ranks.setdefault(pair, n)
            self.rank = lambda left, right: ranks.get((left, right))
        self.seen = {}

    def word(self, word):
        if word not in self.seen:
            if self.whole and word in self.ids:
                self.seen[word] = [self.ids[word]]
            else:
                parts = merge([word[i:i + 1] for i in range(len(word))], self.rank)
                missing = [self.ids.get(b) for b in (b"\xef", b"\xbf", b"\xbd")]
                self.seen[word] = [i for p in parts for i in ([self.ids[p]] if p in self.ids else missing)]
        return self.seen[word]

    def encode(self, data):
        return [i for word in words_of(data, self.patterns, self.form) for i in self.word(word)]


# ------------------------------------------------------------------------------------------------------- SentencePiece


class SentencePiece:
    """`pieces`: (text, score, kind); kinds 1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte."""

    def __init__(self, pieces, prefix, removes_extra, charsmap=None):
        self.normal = {t: i for i, (t, _, kind) in enumerate(pieces) if kind == 1}
        self.user = {t: i for i, (t, _, kind) in enumerate(pieces) if kind == 4}
        self.score = [s for _, s, _ in pieces]
        self.bytes = {int(t[3:5], 16): i for i, (t, _, kind) in enumerate(pieces) if kind == 6}
        self.unknown = next(i for i, (_, _, kind) in enumerate(pieces) if kind == 2)
        self.prefix, self.removes_extra, self.charsmap = prefix, removes_extra, charsmap or {}
        self.longest_key = max(map(len, self.charsmap), default=0)
        self.longest = max(map(len, self.normal))

    def map_characters(self, text):
        result, i = [], 0
        while i < len(text):
            for size in range(min(self.longest_key, len(text) - i), 0, -1):
                if text[i:i + size] in self.charsmap:
                    result.append(self.charsmap[text[i:i + size]])
                    i += size
                    break
            else:
                result.append(text[i])
                i += 1
        return "".join(result)

    def normalize(self, text):
        text = self.map_characters(text)
        if self.removes_extra:
            text = regex.sub(" +", " ", text).strip(" ")
        if not text:
            return text
        return (MARK if self.prefix else "") + text.replace(" ", MARK)

    def unknown_ids(self, text, ids):
        data = text.encode("utf-8", "surrogateescape")
        if all(b in self.bytes for b in data):
            ids.extend(self.bytes[b] for b in data)
        elif not ids or ids[-1] != self.unknown:
            ids.append(self.unknown)

    def encode(self, data):
        text = self.normalize(data.decode("utf-8", "surrogateescape"))
        ids = []
        user = "|".join(regex.escape(t) for t in sorted(self.user, key=len, reverse=True))
        for part in regex.split(f"({user})", text) if user else [text]:
            if part in self.user:
                ids.append(self.user[part])
            elif part:
                self.encode_part(part, ids)
        return ids


class ScoreBpe(SentencePiece):
    def encode_part(self, text, ids):
        def rank(left, right):
            i = self.normal.get(left + right)
            return None if i is None else (-self.score[i], i)

        for part in merge(text, rank):
            if part in self.normal:
                ids.append(self.normal[part])
            else:
                self.unknown_ids(part, ids)


class Unigram(SentencePiece):
    def encode_part(self, text, ids):
        unknown = min(self.score[i] for i in self.normal.values()) - 10
        best = [(0.0, 0)] + [(-math.inf, 0)] * len(text)  # the sum, where the last piece begins
        for begin in range(len(text)):
            known = False
            for end in range(begin + 1, min(begin + self.longest, len(text)) + 1):
                i = self.normal.get(text[begin:end])
                if i is None:
                    continue
                known = known or end == begin + 1
                if best[begin][0] + self.score[i] > best[end][0]:
                    best[end] = (best[begin][0] + self.score[i], begin)
            if not known and best[begin][0] + unknown > best[begin + 1][0]:
                best[begin + 1] = (best[begin][0] + unknown, begin)
        pieces, end = [], len(text)
        while end > 0:
            pieces.append(text[best[end][1]:end])
            end = best[end][1]
        for piece in reversed(pieces):
            if piece in self.normal:
                ids.append(self.normal[piece])
            else:
                self.unknown_ids(piece, ids)


# ---------------------------------------------------------------------------------------------- files, there and back


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def model_file(pieces, model_type, prefix, removes_extra, charsmap):
    out = b"".join(field(1, field(1, t) + field(2, float(s)) + (field(3, k) if k != 1 else b"")) for t, s, k in pieces)
    out += field(2, field(3, model_type))
    normalizer = field(1, "reference")
    if charsmap:
        normalizer += field(2, double_array(charsmap))
    return out + field(3, normalizer + field(3, int(prefix)) + field(4, int(removes_extra)))


def read_fields(data):
    i = 0

    def number():
        nonlocal i
        value = shift = 0
        while True:
            byte = data[i]
            i += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while i < len(data):
        key = number()
        if key & 7 == 0:
            yield key >> 3, number()
        elif key & 7 == 5:
            i += 4
            yield key >> 3, struct.unpack("<f", data[i - 4:i])[0]
        else:
            size = number()
            i += size
            yield key >> 3, data[i - size:i]


def read_model_file(path):
    pieces, settings = [], {3: 1, 4: 1}
    for number, value in read_fields(path.read_bytes()):
        if number == 1:
            piece = dict(read_fields(value))
            pieces.append((piece[1].decode(), piece.get(2, 0.0), piece.get(3, 1)))
        if number == 3:
            settings.update(read_fields(value))
    return pieces, bool(settings[3]), bool(settings[4])


def double_array(rules):
    """The blob of a character map: a node's children lie at node ^ offset ^ byte, its value at node ^ offset."""
    replacements, values, tree = b"", {}, {}
    for key, text in rules.items():
        values[key.encode()] = len(replacements)
        replacements += text.encode() + b"\0"
        node = tree
        for byte in key.encode():
            node = node.setdefault(byte, {})
    units, used = {0: 0}, {0}

    def place(node, index, prefix):
        labels = sorted(node) + ([0] if prefix in values else [])
        offset = 1
        while any((index ^ offset ^ label) in used for label in labels):
            offset += 1
        assert offset < 1 << 21
        units[index] |= offset << 10 | (256 if prefix in values else 0)
        used.update(index ^ offset ^ label for label in labels)
        if prefix in values:
            units[index ^ offset] = values[prefix] | 1 << 31
        for byte in sorted(node):
            units[index ^ offset ^ byte] = byte
        for byte in sorted(node):
            place(node[byte], index ^ offset ^ byte, prefix + bytes([byte]))

    place(tree, 0, b"")
    size = max(units) + 256 - max(units) % 256
    array = struct.pack(f"<{size}I", *(units.get(i, 0) for i in range(size)))
    return struct.pack("<I", len(array)) + array + replacements


# --------------------------------------------------------------------------------------------------- small vocabularies

TEXT = (" the cat sat on the mat and the rat ran; banana bandana, 1234 5678 100000.  aaaa aaaaaaaa AAAA\n"
        "def f(x):\n    return x + 1\n\u4f60\u597d\u4e16\u754c \u4f60\u597d caf\u00e9 na\u00efve \u0420\u0443\u0441\u0441\u043a\u0438\u0439 \u0420\u0443\u0441\u044c "
        "\U0001F600\U0001F600 !!! ??? -- ==\n") * 3


def train(parts, count):
    """Byte-pair encoding by its definition; the merges."""
    merges = []
    for _ in range(count):
        counts = {}
        for pair in zip(parts, parts[1:]):
            counts[pair] = counts.get(pair, 0) + 1
        best = max(counts, key=lambda pair: (counts[pair], pair))
        if counts[best] < 2:
            break
        merges.append(best)
        parts = merge_pass(parts, *best)
    return merges


BYTE_PIECES = [(f"<0x{b:02X}>", 0.0, 6) for b in range(256)]
HEAD = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]


def bpe_pieces():
    text = TEXT.replace(" ", MARK)
    merged = list(dict.fromkeys(left + right for left, right in train(list(text), 150) if left + right != MARK * 4))
    pieces = [(piece, -float(n), 1) for n, piece in enumerate(merged)]
    pieces += [(c, -float(len(merged) + n), 1) for n, c in enumerate(sorted(set(text)))]
    return HEAD + BYTE_PIECES + [("[tool]", 0.0, 4), (MARK * 4, 0.0, 4)] + pieces


def unigram_pieces():
    text = TEXT.replace(" ", MARK)
    counts = {}
    for size in range(1, 7):
        for i in range(len(text) - size + 1):
            piece = text[i:i + size]
            if MARK not in piece[1:]:
                counts[piece] = counts.get(piece, 0) + 1
    wanted = [p for p in sorted(counts) if len(p) == 1 or counts[p] >= 6]
    # Rounded to a grid, so that a file of floats says the same, and sums are exact.
    return HEAD + [("[tool]", 0.0, 4)] + [(p, round(64 * math.log(counts[p] / len(text))) / 64, 1) for p in wanted]


CHARSMAP = {"\t": " ", "\n": " ", "\r": " ", "\u3000": " ", "\u00a0": " ", "\ufb01": "fi", "\u2460": "1",
            "\u212b": "\u00c5", "e\u0301": "\u00e9", "\u200b": "", "\u2026": "...",
            **{chr(0xFF01 + n): chr(0x21 + n) for n in range(94)}}


def rank_tokens():
    parts = [bytes([b]) for b in TEXT.encode()]
    order = [bytes([b]) for b in [*range(33, 127), *range(0, 33), *range(127, 256)]]
    return order + list(dict.fromkeys(left + right for left, right in train(parts, 200)))


def write_small_vocabularies():
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "bpe.model").write_bytes(model_file(bpe_pieces(), 2, True, False, None))
    (OUT / "unigram.model").write_bytes(model_file(unigram_pieces(), 1, True, True, CHARSMAP))
    lines = [f"{base64.b64encode(t).decode()} {n}\n" for n, t in enumerate(rank_tokens())]
    (OUT / "small.tiktoken").write_text("".join(lines))


# ------------------------------------------------------------------------------------------------------------ all of it


def small_tokenizers():
    pycoder = json.loads((ROOT / "models/pycoder/tokenizer.json").read_text())
    added = {t["content"] for t in pycoder["added_tokens"]}
    ids = {bytes_of_token(t): i for t, i in pycoder["model"]["vocab"].items() if t not in added}
    merges = [m.split(" ") if isinstance(m, str) else m for m in pycoder["model"]["merges"]]
    merges = [(bytes_of_token(left), bytes_of_token(right)) for left, right in merges]
    for name, patterns in PRE.items():
        yield f"pycoder {name}", ByteBpe(ids, merges, patterns, name in TAKES_WORDS_WHOLE)
    yield "pycoder NFC", ByteBpe(ids, merges, PRE["llama-bpe"], pycoder["model"].get("ignore_merges", False), "NFC")
    yield "bpe.model", ScoreBpe(bpe_pieces(), True, False)
    yield "unigram.model", Unigram(unigram_pieces(), True, True, CHARSMAP)
    yield "small.tiktoken", ByteBpe({t: n for n, t in enumerate(rank_tokens())}, None, PRE["gpt-4o"], True)


def real_tokenizers(shared):
    folder = shared / "tokenizers"
    ranks = dict(line.split() for line in (folder / "llama3/tokenizer.model").read_text().splitlines())
    ids = {base64.b64decode(t): int(n) for t, n in ranks.items()}
    yield "llama3/tokenizer.model", ByteBpe(ids, None, PRE["llama-bpe"], True)
    yield "llama2/tokenizer.model", ScoreBpe(*read_model_file(folder / "llama2/tokenizer.model"))
    for name, pre, vocab, merges in (("gpt2", "gpt-2", "gpt2_vocab.json", "gpt2_merges.txt"),
                                     ("qwen2.5", "qwen2", "vocab.json", "merges.txt")):
        ids = {bytes_of_token(t): i for t, i in json.loads((folder / name / vocab).read_text()).items()}
        lines = (folder / name / merges).read_text().splitlines()
        pairs = [tuple(map(bytes_of_token, m.split(" "))) for m in lines if m and not m.startswith("#version")]
        yield name, ByteBpe(ids, pairs, PRE[pre])


def main():
    write_small_vocabularies()
    texts = corpus()
    path = OUT / "expected.json"
    old = json.loads(path.read_text())["ids"] if path.exists() else {}
    tokenizers = list(small_tokenizers())
    if len(sys.argv) > 1:
        tokenizers += real_tokenizers(pathlib.Path(sys.argv[1]))
    ids = {name: [fingerprint(t.encode(data * times)) for _, data, times in texts] for name, t in tokenizers}
    old.update(ids)
    lines = ['"corpus": [\n' + ",\n".join(json.dumps([n, d.hex(), t]) for n, d, t in texts) + "]"]
    lines += ['"ids": {\n' + ",\n".join(json.dumps(n) + ": " + json.dumps(f) for n, f in old.items()) + "}"]
    path.write_text("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    main()
