"""The forward pass of each family in float64, written from its definition: the papers named in src/engine/architectures,
and the meaning of each key of config.json. Weights by their Hugging Face names. It shares nothing with the engine.
"""
import math

import numpy as np


def silu(x):
    return x / (1 + np.exp(-x))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def rms_norm(x, weight, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


def layer_norm(x, weight, bias, eps):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * weight + bias


def soft_cap(x, cap):
    return cap * np.tanh(x / cap) if cap else x


def rope_frequencies(c, dim, length):
    """Angles per position of each pair, and the factor of what has turned; `length` is that of the context."""
    theta = c.get("rope_theta", 10000.0)
    base = theta ** (-np.arange(0, dim, 2) / dim)
    s = c.get("rope_scaling") or {}
    kind = s.get("rope_type", s.get("type"))
    if kind == "linear":
        return base / s["factor"], 1.0
    if kind == "llama3":
        original, out = s["original_max_position_embeddings"], []
        for f in base:
            wave = 2 * math.pi / f
            if wave < original / s["high_freq_factor"]:
                out.append(f)
            elif wave > original / s["low_freq_factor"]:
                out.append(f / s["factor"])
            else:
                smooth = (original / wave - s["low_freq_factor"]) / (s["high_freq_factor"] - s["low_freq_factor"])
                out.append((1 - smooth) * f / s["factor"] + smooth * f)
        return np.array(out), 1.0
    if kind == "yarn":
        original = s["original_max_position_embeddings"]
        correction = lambda turns: dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))
        low, high = max(math.floor(correction(s["beta_fast"])), 0), min(math.ceil(correction(s["beta_slow"])), dim - 1)
        ramp = np.clip((np.arange(dim // 2) - low) / max(high - low, 0.001), 0, 1)
        return base / s["factor"] * ramp + base * (1 - ramp), 0.1 * math.log(s["factor"]) + 1
    if kind == "longrope":
        original = c["original_max_position_embeddings"]
        factors = s["long_factor"] if length > original else s["short_factor"]
        stretch = c["max_position_embeddings"] / original
        return base / np.array(factors), math.sqrt(1 + math.log(stretch) / math.log(original))
    return base, 1.0


def rotate(x, frequencies, factor):
    """x: positions x heads x head size; pair i is (i, i + n) of the first 2 n values."""
    n = len(frequencies)
    angles = np.arange(len(x))[:, None, None] * frequencies
    cos, sin = np.cos(angles) * factor, np.sin(angles) * factor
    a, b = x[..., :n], x[..., n:2 * n]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin, x[..., 2 * n:]], -1)


def attention(q, k, v, scale, window, cap):
    """q: n x heads x d; k, v: n x kv heads x d."""
    n, heads = q.shape[:2]
    group = heads // k.shape[1]
    distance = np.arange(n)[:, None] - np.arange(n)[None, :]
    seen = (distance >= 0) & (distance < (window or n))
    out = np.empty_like(q)
    for head in range(heads):
        scores = soft_cap(q[:, head] @ k[:, head // group].T * scale, cap)
        out[:, head] = softmax(np.where(seen, scores, -np.inf)) @ v[:, head // group]
    return out.reshape(n, -1)


def layer_kinds(c):
    """(window, rotary: "global", "local" or None) of each layer."""
    kinds = []
    for i in range(c["num_hidden_layers"]):
        window, rope = c.get("sliding_window"), "global"
        kind = c["model_type"]
        if kind in ("qwen2", "qwen3", "qwen3_moe", "smollm3") and not c.get("use_sliding_window"):
            window = None
        if kind == "gemma2" and i % 2 == 1:
            window = None
        if kind == "gemma3_text":
            rope = "local"
            if (i + 1) % c["sliding_window_pattern"] == 0:
                window, rope = None, "global"
        if kind == "smollm3" and not c["no_rope_layers"][i]:
            rope = None
        kinds.append((window, rope))
    return kinds


def experts(c, w, prefix, x):
    if c["model_type"] == "mixtral":
        router, names, used, normalize = "block_sparse_moe", ("w1", "w3", "w2"), c["num_experts_per_tok"], True
    else:
        router, names, used, normalize = "mlp", ("gate_proj", "up_proj", "down_proj"), c["num_experts_per_tok"], c["norm_topk_prob"]
    shares = softmax(x @ w[f"{prefix}{router}.gate.weight"].T)
    out = np.zeros_like(x)
    for t in range(len(x)):
        chosen = np.argsort(-shares[t], kind="stable")[:used]
        total = shares[t][chosen].sum() if normalize else 1
        for e in chosen:
            gate, up, down = (w[f"{prefix}{router}.experts.{e}.{name}.weight"] for name in names)
            out[t] += shares[t][e] / total * (down @ (silu(gate @ x[t]) * (up @ x[t])))
    return out


def forward(c, w, ids, context):
    """Logits of every token."""
    if c["model_type"] == "gpt2":
        return gpt2(c, w, ids)
    gemma = c["model_type"].startswith("gemma")
    eps, d = c["rms_norm_eps"], c.get("head_dim", c["hidden_size"] // c["num_attention_heads"])
    norm = lambda x, name: rms_norm(x, w[name] + (1 if gemma else 0), eps)
    linear = lambda x, name: x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0)
    scale = c.get("query_pre_attn_scalar", d) ** -0.5
    rotary = int(d * c.get("partial_rotary_factor", 1))
    turns = {"global": rope_frequencies(c, rotary, context)}
    if "rope_local_base_freq" in c:
        turns["local"] = (c["rope_local_base_freq"] ** (-np.arange(0, d, 2) / d), 1.0)
    x = w["model.embed_tokens.weight"][ids] * (math.sqrt(c["hidden_size"]) if gemma else 1)
    q_size, kv_size = c["num_attention_heads"] * d, c["num_key_value_heads"] * d
    for i, (window, rope) in enumerate(layer_kinds(c)):
        p = f"model.layers.{i}."
        y = norm(x, p + "input_layernorm.weight")
        if c["model_type"] == "phi3":
            q, k, v = np.split(linear(y, p + "self_attn.qkv_proj"), [q_size, q_size + kv_size], -1)
        else:
            q, k, v = (linear(y, f"{p}self_attn.{n}_proj") for n in "qkv")
        q, k, v = (part.reshape(len(ids), -1, d) for part in (q, k, v))
        if p + "self_attn.q_norm.weight" in w:
            q, k = norm(q, p + "self_attn.q_norm.weight"), norm(k, p + "self_attn.k_norm.weight")
        if rope:
            q, k = rotate(q, *turns[rope]), rotate(k, *turns[rope])
        y = linear(attention(q, k, v, scale, window, c.get("attn_logit_softcapping")), p + "self_attn.o_proj")
        x = x + (norm(y, p + "post_attention_layernorm.weight") if gemma else y)
        y = norm(x, p + ("pre_feedforward_layernorm.weight" if gemma else "post_attention_layernorm.weight"))
        if c["model_type"] in ("mixtral", "qwen3_moe"):
            y = experts(c, w, p, y)
        elif c["model_type"] == "phi3":
            gate, up = np.split(linear(y, p + "mlp.gate_up_proj"), 2, -1)
            y = linear(silu(gate) * up, p + "mlp.down_proj")
        else:
            act = gelu_tanh if gemma else silu
            y = linear(act(linear(y, p + "mlp.gate_proj")) * linear(y, p + "mlp.up_proj"), p + "mlp.down_proj")
        x = x + (norm(y, p + "post_feedforward_layernorm.weight") if gemma else y)
    x = norm(x, "model.norm.weight")
    head = w["model.embed_tokens.weight" if c["tie_word_embeddings"] else "lm_head.weight"]
    return soft_cap(x @ head.T, c.get("final_logit_softcapping"))


def gpt2(c, w, ids):
    eps, heads = c["layer_norm_epsilon"], c["n_head"]
    norm = lambda x, name: layer_norm(x, w[name + ".weight"], w[name + ".bias"], eps)
    linear = lambda x, name: x @ w[name + ".weight"] + w[name + ".bias"]
    x = w["transformer.wte.weight"][ids] + w["transformer.wpe.weight"][:len(ids)]
    for i in range(c["n_layer"]):
        p = f"transformer.h.{i}."
        q, k, v = (part.reshape(len(ids), heads, -1) for part in np.split(linear(norm(x, p + "ln_1"), p + "attn.c_attn"), 3, -1))
        x = x + linear(attention(q, k, v, q.shape[-1] ** -0.5, None, None), p + "attn.c_proj")
        x = x + linear(gelu_tanh(linear(norm(x, p + "ln_2"), p + "mlp.c_fc")), p + "mlp.c_proj")
    return norm(x, "transformer.ln_f") @ w["transformer.wte.weight"].T
