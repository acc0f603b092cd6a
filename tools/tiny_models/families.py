"""The tiny models: one for each family and each way to scale rotary positions, with every feature switched on.

A model is its config.json, its tensors as transformers names them, and how a GGUF holds the same (keys, names, and what
is done to each tensor), as llama.cpp's converter writes it. Weights come from numbers.py.
"""

COMMON = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
          "max_position_embeddings": 1024, "rms_norm_eps": 1e-6, "vocab_size": 40, "tie_word_embeddings": False, "hidden_act": "silu"}
LONG = [1.0 + 0.125 * i for i in range(48)]

# name: (config.json, type of the matrices)
MODELS = {
    "llama": (COMMON | {"model_type": "llama", "head_dim": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "rope_theta": 500.0,
                        "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                         "original_max_position_embeddings": 64}}, "f32"),
    "llama-linear": (COMMON | {"model_type": "llama", "head_dim": 48, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True,
                               "rope_theta": 1000.0, "rope_scaling": {"type": "linear", "factor": 4.0}}, "f16"),
    "llama-yarn": (COMMON | {"model_type": "llama", "head_dim": 64, "rope_theta": 1000.0,
                             "rope_scaling": {"rope_type": "yarn", "factor": 8.0, "beta_fast": 8.0, "beta_slow": 1.0,
                                              "original_max_position_embeddings": 128}}, "f16"),
    "mistral": (COMMON | {"model_type": "mistral", "head_dim": 96, "sliding_window": 40, "rope_theta": 300.0}, "f16"),
    "mixtral": (COMMON | {"model_type": "mixtral", "head_dim": 32, "num_local_experts": 4, "num_experts_per_tok": 2,
                          "intermediate_size": 32, "sliding_window": None, "rope_theta": 1000.0}, "f16"),
    "qwen2": (COMMON | {"model_type": "qwen2", "num_attention_heads": 1, "hidden_size": 64, "tie_word_embeddings": True,
                        "rope_theta": 10000.0, "use_sliding_window": False, "sliding_window": 16}, "f16"),
    "qwen3": (COMMON | {"model_type": "qwen3", "head_dim": 80, "rope_theta": 10000.0}, "f16"),
    "qwen3moe": (COMMON | {"model_type": "qwen3_moe", "head_dim": 192, "num_experts": 6, "num_experts_per_tok": 3,
                           "moe_intermediate_size": 32, "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": []}, "f16"),
    "smollm3": (COMMON | {"model_type": "smollm3", "head_dim": 64, "num_hidden_layers": 5, "no_rope_layers": [1, 1, 1, 0, 1],
                          "no_rope_layer_interval": 4, "use_sliding_window": False, "tie_word_embeddings": True}, "f16"),
    "gemma2": (COMMON | {"model_type": "gemma2", "head_dim": 256, "num_hidden_layers": 3, "sliding_window": 24, "hidden_act": "gelu_pytorch_tanh",
                         "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 256, "attn_logit_softcapping": 2.0,
                         "final_logit_softcapping": 3.0, "tie_word_embeddings": True}, "bf16"),
    "gemma3": (COMMON | {"model_type": "gemma3_text", "head_dim": 128, "num_hidden_layers": 7, "sliding_window": 20, "sliding_window_pattern": 6,
                         "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 128, "rope_theta": 10000.0,
                         "rope_local_base_freq": 300.0, "rope_scaling": {"rope_type": "linear", "factor": 8.0},
                         "tie_word_embeddings": True}, "bf16"),
    "phi3": (COMMON | {"model_type": "phi3", "num_attention_heads": 2, "num_key_value_heads": 2, "hidden_size": 64, "partial_rotary_factor": 0.75,
                       "original_max_position_embeddings": 64, "sliding_window": 100,
                       "rope_scaling": {"type": "longrope", "short_factor": [1.0 + 0.0625 * i for i in range(12)],
                                        "long_factor": LONG[:12]}}, "f16"),
    "gpt2": ({"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 2, "n_inner": None, "n_positions": 128, "vocab_size": 40,
              "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new"}, "f16"),
}
del MODELS["gemma3"][0]["hidden_act"]


def head_dim(c):
    return c.get("head_dim", c["hidden_size"] // c["num_attention_heads"])


def tensors(c):
    """Name -> (shape, exponent of the scale, what is added): a weight is q / 2^exponent + added, q from -128 to 127."""
    if c["model_type"] == "gpt2":
        return gpt2_tensors(c)
    h, f, d, v = c["hidden_size"], c["intermediate_size"], head_dim(c), c["vocab_size"]
    q, kv = c["num_attention_heads"] * d, c["num_key_value_heads"] * d
    kind, gemma = c["model_type"], c["model_type"].startswith("gemma")
    norm = lambda n: ([n], 9, 0 if gemma else 1)
    bias = lambda n: ([n], 9, 0)
    all_ = {"model.embed_tokens.weight": ([v, h], 8, 0), "model.norm.weight": norm(h)}
    if not c["tie_word_embeddings"]:
        all_["lm_head.weight"] = ([v, h], 9, 0)
    for i in range(c["num_hidden_layers"]):
        layer = {"input_layernorm.weight": norm(h), "post_attention_layernorm.weight": norm(h), "self_attn.o_proj.weight": ([h, q], 10, 0)}
        if kind == "phi3":
            layer["self_attn.qkv_proj.weight"] = ([q + 2 * kv, h], 8, 0)
        else:
            layer |= {"self_attn.q_proj.weight": ([q, h], 8, 0), "self_attn.k_proj.weight": ([kv, h], 8, 0),
                      "self_attn.v_proj.weight": ([kv, h], 9, 0)}
        if kind == "qwen2" or c.get("attention_bias"):
            layer |= {f"self_attn.{p}_proj.bias": bias(n) for p, n in (("q", q), ("k", kv), ("v", kv))}
        if c.get("attention_bias"):
            layer["self_attn.o_proj.bias"] = bias(h)
        if kind in ("qwen3", "qwen3_moe", "gemma3_text"):
            layer |= {"self_attn.q_norm.weight": norm(d), "self_attn.k_norm.weight": norm(d)}
        if gemma:
            layer |= {"pre_feedforward_layernorm.weight": norm(h), "post_feedforward_layernorm.weight": norm(h)}
        if kind == "mixtral":
            layer["block_sparse_moe.gate.weight"] = ([c["num_local_experts"], h], 8, 0)
            for e in range(c["num_local_experts"]):
                layer |= {f"block_sparse_moe.experts.{e}.w1.weight": ([f, h], 9, 0), f"block_sparse_moe.experts.{e}.w2.weight": ([h, f], 9, 0),
                          f"block_sparse_moe.experts.{e}.w3.weight": ([f, h], 9, 0)}
        elif kind == "qwen3_moe":
            layer["mlp.gate.weight"] = ([c["num_experts"], h], 8, 0)
            m = c["moe_intermediate_size"]
            for e in range(c["num_experts"]):
                layer |= {f"mlp.experts.{e}.gate_proj.weight": ([m, h], 9, 0), f"mlp.experts.{e}.up_proj.weight": ([m, h], 9, 0),
                          f"mlp.experts.{e}.down_proj.weight": ([h, m], 9, 0)}
        elif kind == "phi3":
            layer |= {"mlp.gate_up_proj.weight": ([2 * f, h], 9, 0), "mlp.down_proj.weight": ([h, f], 9, 0)}
        else:
            layer |= {"mlp.gate_proj.weight": ([f, h], 9, 0), "mlp.up_proj.weight": ([f, h], 9, 0), "mlp.down_proj.weight": ([h, f], 9, 0)}
            if c.get("mlp_bias"):
                layer |= {f"mlp.{p}_proj.bias": bias(n) for p, n in (("gate", f), ("up", f), ("down", h))}
        all_ |= {f"model.layers.{i}.{name}": value for name, value in layer.items()}
    return all_


def gpt2_tensors(c):
    h, v = c["n_embd"], c["vocab_size"]
    all_ = {"transformer.wte.weight": ([v, h], 9, 0), "transformer.wpe.weight": ([c["n_positions"], h], 9, 0)}
    for i in range(c["n_layer"]):
        layer = {}
        for n in ("ln_1", "ln_2"):
            layer |= {f"{n}.weight": ([h], 9, 1), f"{n}.bias": ([h], 9, 0)}
        for n, (rows, cols, e) in {"attn.c_attn": (h, 3 * h, 8), "attn.c_proj": (h, h, 10), "mlp.c_fc": (h, 4 * h, 9),
                                   "mlp.c_proj": (4 * h, h, 10)}.items():
            layer |= {f"{n}.weight": ([rows, cols], e, 0), f"{n}.bias": ([cols], 9, 0)}
        all_ |= {f"transformer.h.{i}.{name}": value for name, value in layer.items()}
    return all_ | {"transformer.ln_f.weight": ([h], 9, 1), "transformer.ln_f.bias": ([h], 9, 0)}


GGUF_NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.qkv_proj": "attn_qkv", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "mlp.gate_up_proj": "ffn_up", "block_sparse_moe.gate": "ffn_gate_inp", "mlp.gate": "ffn_gate_inp",
    "ln_1": "attn_norm", "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
GEMMA_NAMES = {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
               "post_feedforward_layernorm": "post_ffw_norm"}
EXPERT_NAMES = {"w1": "ffn_gate_exps", "w2": "ffn_down_exps", "w3": "ffn_up_exps", "gate_proj": "ffn_gate_exps", "up_proj": "ffn_up_exps",
                "down_proj": "ffn_down_exps"}
OUTSIDE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "transformer.wte": "token_embd",
           "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm"}


def gguf_tensors(c):
    """GGUF name -> [Hugging Face names, what is done to them]: "", "pairs" (rows of each head from halves to adjacent
    pairs), "transpose", "plus_one", "stack"."""
    kind, all_ = c["model_type"], {}
    for name in tensors(c):
        stem, part = name.rsplit(".", 1)
        change = ""
        if stem in OUTSIDE:
            gguf = OUTSIDE[stem]
        else:
            layer, rest = stem.removeprefix("transformer.h.").removeprefix("model.layers.").split(".", 1)
            if ".experts." in rest:
                gguf, change = EXPERT_NAMES[rest.rsplit(".", 1)[1]], "stack"
            else:
                gguf = ((GEMMA_NAMES if kind.startswith("gemma") else {}) | {k: v for k, v in GGUF_NAMES.items() if not (
                    kind.startswith("gemma") and k in GEMMA_NAMES)})[rest]
            gguf = f"blk.{layer}.{gguf}"
            if kind in ("llama", "mistral", "mixtral", "smollm3") and rest in ("self_attn.q_proj", "self_attn.k_proj"):
                change = "pairs"
            if kind == "gpt2" and part == "weight" and not rest.startswith("ln"):
                change = "transpose"
        if kind.startswith("gemma") and "norm" in name:
            change = "plus_one"
        all_.setdefault(f"{gguf}.{part}", [[], change])[0].append(name)
    return all_


def gguf_keys(c):
    """Keys of a GGUF: numbers with a point are f32, others u32. Other engines load a file without a tokenizer when it
    says so and how many tokens there are."""
    kind = c["model_type"]
    if kind == "gpt2":
        return {"general.architecture": "gpt2", "tokenizer.ggml.model": "none", "gpt2.vocab_size": c["vocab_size"],
                "gpt2.context_length": c["n_positions"], "gpt2.embedding_length": c["n_embd"],
                "gpt2.feed_forward_length": 4 * c["n_embd"], "gpt2.block_count": c["n_layer"], "gpt2.attention.head_count": c["n_head"],
                "gpt2.attention.layer_norm_epsilon": c["layer_norm_epsilon"]}
    arch = {"mistral": "llama", "mixtral": "llama", "qwen3_moe": "qwen3moe", "gemma3_text": "gemma3"}.get(kind, kind)
    rope = c.get("rope_scaling", {})
    rope_type = rope.get("rope_type", rope.get("type", ""))
    keys = {"vocab_size": c["vocab_size"], "context_length": c["max_position_embeddings"], "embedding_length": c["hidden_size"], "block_count": c["num_hidden_layers"],
            "feed_forward_length": c["intermediate_size"], "attention.head_count": c["num_attention_heads"],
            "attention.head_count_kv": c["num_key_value_heads"], "attention.key_length": head_dim(c), "attention.value_length": head_dim(c),
            "attention.layer_norm_rms_epsilon": c["rms_norm_eps"], "rope.freq_base": c.get("rope_theta", 10000.0),
            "rope.dimension_count": int(head_dim(c) * c.get("partial_rotary_factor", 1))}
    if c.get("sliding_window") and c.get("use_sliding_window", True):
        keys["attention.sliding_window"] = c["sliding_window"]
    if rope_type in ("linear", "yarn"):
        keys |= {"rope.scaling.type": rope_type, "rope.scaling.factor": rope["factor"]}
    if rope_type == "yarn":
        keys |= {"rope.scaling.original_context_length": rope["original_max_position_embeddings"],
                 "rope.scaling.yarn_beta_fast": rope["beta_fast"], "rope.scaling.yarn_beta_slow": rope["beta_slow"]}
    if rope_type == "longrope":
        keys["rope.scaling.original_context_length"] = c["original_max_position_embeddings"]
    if kind == "mixtral":
        keys |= {"expert_count": c["num_local_experts"], "expert_used_count": c["num_experts_per_tok"]}
    if kind == "qwen3_moe":
        keys |= {"expert_count": c["num_experts"], "expert_used_count": c["num_experts_per_tok"],
                 "expert_feed_forward_length": c["moe_intermediate_size"]}
    if kind == "gemma2":
        keys |= {"attn_logit_softcapping": c["attn_logit_softcapping"], "final_logit_softcapping": c["final_logit_softcapping"]}
    if kind == "gemma3_text":
        keys["rope.freq_base_swa"] = c["rope_local_base_freq"]
    return {"general.architecture": arch, "tokenizer.ggml.model": "none"} | {f"{arch}.{key}": value for key, value in keys.items()}
