"""The model that train.py trains: Llama's architecture, with a head that shares the embedding.

RMSNorm, rotary positions on half-split rows (Hugging Face's layout), grouped-query attention, SwiGLU; no biases.
"""
import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import nn


@dataclasses.dataclass
class Shape:
    vocab: int = 3840
    width: int = 512
    layers: int = 8
    heads: int = 8
    kv_heads: int = 2
    head_dim: int = 64
    ffn: int = 1024
    context: int = 4096
    rope_theta: float = 10000.0
    eps: float = 1e-5

    def matrices(self):
        """Name and shape [out, in] of the matrices of one layer."""
        query, key = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "q": (query, self.width), "k": (key, self.width), "v": (key, self.width), "o": (self.width, query),
            "gate": (self.ffn, self.width), "up": (self.ffn, self.width), "down": (self.width, self.ffn),
        }


def rms_norm(x, weight, eps=1e-5):
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps) * weight).to(x.dtype)


def rotate(x, cos, sin):
    first, second = x.float().chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1).to(x.dtype)


def attend(q, k, v):
    """Causal attention; q [batch, heads, tokens, head_dim], k and v with fewer heads."""
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    mask = torch.full((q.shape[2], q.shape[2]), -math.inf).triu(1)
    return ((q @ k.transpose(2, 3)).float() / math.sqrt(q.shape[3]) + mask).softmax(-1).to(v.dtype) @ v


def block(x, cos, sin, head_dim, attention_norm, ffn_norm, q, k, v, o, gate, up, down):
    """One layer, a function of tensors alone, so that one compilation serves every layer."""
    batch, tokens, _ = x.shape

    def heads(y):
        return y.view(batch, tokens, -1, head_dim).transpose(1, 2)

    h = rms_norm(x, attention_norm)
    queries, keys, values = (heads(F.linear(h, w.to(h.dtype))) for w in (q, k, v))
    mixed = attend(rotate(queries, cos, sin), rotate(keys, cos, sin), values)
    x = x + F.linear(mixed.transpose(1, 2).reshape(batch, tokens, -1), o.to(h.dtype))
    h = rms_norm(x, ffn_norm)
    return x + F.linear(F.silu(F.linear(h, gate.to(h.dtype))) * F.linear(h, up.to(h.dtype)), down.to(h.dtype))


def losses(x, norm, embedding, targets):
    """Nats of each target, [batch · tokens]."""
    logits = F.linear(rms_norm(x, norm), embedding.to(x.dtype))
    return F.cross_entropy(logits.float().view(-1, logits.shape[-1]), targets.reshape(-1), reduction="none")


class Model(nn.Module):
    def __init__(self, shape, dtype=torch.float32):
        super().__init__()
        self.shape, self.dtype = shape, dtype
        self.embedding = nn.Parameter(torch.randn(shape.vocab, shape.width) * 0.02)
        self.norm = nn.Parameter(torch.ones(shape.width))
        self.layers = nn.ModuleList()
        for _ in range(shape.layers):
            layer = nn.ParameterDict({"attention_norm": nn.Parameter(torch.ones(shape.width)), "ffn_norm": nn.Parameter(torch.ones(shape.width))})
            for name, (rows, columns) in shape.matrices().items():
                # The outputs of a layer start small, so that the first steps see a shallow network.
                scale = (0.3 if name in ("o", "down") else 1.0) / math.sqrt(columns)
                layer[name] = nn.Parameter(torch.randn(rows, columns) * scale)
            self.layers.append(layer)
        self.block, self.losses = block, losses
        self._tables = {}

    def compile(self):
        self.block = torch.compile(block, dynamic=False)
        self.losses = torch.compile(losses, dynamic=False)

    def tables(self, tokens, device):
        if tokens not in self._tables:
            half = self.shape.head_dim // 2
            frequency = self.shape.rope_theta ** (-torch.arange(half, device=device).double() / half)
            angle = torch.outer(torch.arange(tokens, device=device).double(), frequency)
            self._tables[tokens] = angle.cos().float(), angle.sin().float()
        return self._tables[tokens]

    def forward(self, ids, targets):
        """Nats of each target, [batch · tokens]; ids and targets [batch, tokens]."""
        cos, sin = self.tables(ids.shape[1], ids.device)
        x = F.embedding(ids, self.embedding).to(self.dtype)
        for layer in self.layers:
            x = self.block(x, cos, sin, self.shape.head_dim, layer["attention_norm"], layer["ffn_norm"], *(layer[n] for n in self.shape.matrices()))
        return self.losses(x, self.norm, self.embedding, targets)
