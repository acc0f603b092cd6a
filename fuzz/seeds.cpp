// Writes the sound inputs that fuzzing starts from: FOLDER/gguf/…, FOLDER/safetensors/…, one folder a harness.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "support/coded_gguf.h"
#include "support/model_bytes.h"
#include "text/sentencepiece.h"

namespace {

using namespace tq::test;

struct Seed {
  const char *harness, *name;
  std::string bytes;
};

std::string gguf_of_every_value() {
  Gguf file;
  file.keys = {key<std::uint8_t>("u8", kU8, 1),
               key<std::int16_t>("i16", kI16, -1),
               key<std::uint64_t>("u64", kU64, 1ULL << 63),
               key<double>("f64", kF64, 0.1),
               array_key("bools", kBool, 2, std::string("\0\1", 2)),
               array_key("empty", kText, 0, ""),
               array_key("floats", kF32, 1, std::string(4, '\0')),
               key<std::uint32_t>("general.alignment", kU32, 8)};
  file.alignment = 8;
  file.tensors = {{"q", {32, 2}, 8, 0}, {"k", {256}, 12, 72}};
  file.data = std::string(72 + 144, '\1');
  return file.bytes();
}

/// Behind an empty config.
std::string sentencepiece_seed(std::uint64_t model_type) {
  SentencePieceFile file;
  file.model_type = model_type;
  file.normalizer = proto_bytes(2, charsmap_of_one_rule()) + proto_number(3, 1);
  return std::string(1, '\0') + file.bytes();
}

/// The first byte chooses what the harness of tokenizers does with the rest.
std::vector<Seed> tokenizer_seeds() {
  const std::string json = R"({"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},)"
                           R"("model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"Ġ":3},"merges":["a b"]},)"
                           R"("added_tokens":[{"id":4,"content":"<end>","special":true}]})";
  Gguf vocabulary;
  vocabulary.keys = {
      text_key("tokenizer.ggml.model", "gpt2"), text_key("tokenizer.ggml.pre", "gpt-2"),
      array_key("tokenizer.ggml.tokens", kText, 3, Bytes().add_text("a").add_text("b").add_text("ab").get()),
      array_key("tokenizer.ggml.merges", kText, 1, Bytes().add_text("a b").get())};
  const std::string bin = Bytes()
                              .add<std::uint32_t>(2)
                              .add(-1.0F)
                              .add<std::uint32_t>(1)
                              .add("a")
                              .add(-2.0F)
                              .add<std::uint32_t>(2)
                              .add("ab")
                              .get();
  return {{"tokenizer", "json", std::string(1, '\0') + json},
          {"tokenizer", "llama2c", "\1" + bin},
          {"tokenizer", "gguf", "\2" + vocabulary.bytes()},
          {"tokenizer", "lists",
           "\3"
           "0\n\1aa\n\4<end>\n\na a\n"},
          {"tokenizer", "scores",
           "\3"
           "0s\n\6<0x41>\n\1ab\n\nabab"},
          {"tokenizer", "unigram",
           "\3"
           "0st\n\2<unk>\n\1ab\n\1a\n\nabab"},
          {"tokenizer", "unigram_json",
           std::string(1, '\0') + R"({"pre_tokenizer":{"type":"Metaspace","replacement":"▁"},)"
                                  R"("normalizer":{"type":"NFKC"},"model":{"type":"Unigram","unk_id":0,)"
                                  R"("vocab":[["<unk>",0],["▁",-1.5],["a",-2]]}})"},
          {"tokenizer", "sentencepiece", "\5" + sentencepiece_seed(1)},
          {"tokenizer", "sentencepiece_bpe", "\5" + sentencepiece_seed(2)},
          {"tokenizer", "tiktoken", "\6\1YWI= 256\nYWJj 257\n"},
          {"tokenizer", "tiktoken_alone", std::string("\6\0YQ== 0\nYWI= 1\n", 16)},
          {"tokenizer", "vocab_and_merges",
           std::string("\7\0", 2) + "#version: 0.2\na b\nĠ a\n" + '\0' + R"({"tokenizer_class":"GPT2Tokenizer"})"},
          {"tokenizer", "vocab_alone",
           "\7" + std::string(R"({"a":0,"b":1,"ab":2})") + '\0' + "a b" + '\0' +
               R"({"tokenizer_class":"Qwen2Tokenizer","add_prefix_space":true})"},
          {"tokenizer", "text", "\4It's 12345 words,  \r\n\tnaïve 世界 🙂 \xff\xc3"}};
}

/// The first byte chooses the file's extension.
std::vector<Seed> vector_seeds() {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
  header.resize(117, ' ');
  const std::string npy = std::string("\x93NUMPY\1\0\x76\0", 10) + header + "\n" + std::string(8, '\0');
  const std::string length = std::string("\2\0\0\0", 4);
  return {{"vectors", "npy", "\1" + npy},
          {"vectors", "fvecs", "\2" + length + std::string(8, '\0')},
          {"vectors", "bvecs", "\3" + length + "ab" + length + "cd"},
          {"vectors", "idx", std::string("\0\0\0\x8\2\0\0\0\2\0\0\0\1ab", 15)}};
}

std::vector<Seed> imatrix_seeds() {
  Gguf file;
  file.keys = {text_key("general.type", "imatrix"),
               array_key("imatrix.datasets", kText, 1, Bytes().add_text("t").get())};
  file.tensors = {{"a.in_sum2", {2, 2}, 0, 0}, {"a.counts", {1, 2}, 0, 32}};
  file.data = std::string(32 + 8, '\1');
  const std::string entry =
      Bytes().add<std::int32_t>(1).add("a").add<std::int32_t>(2).add<std::int32_t>(2).add(1.0F).add(2.0F).get();
  return {{"imatrix", "gguf", file.bytes()},
          {"imatrix", "binary",
           Bytes().add<std::int32_t>(1).add(entry).add<std::int32_t>(9).add<std::int32_t>(1).add("t").get()}};
}

/// Everything behind the description of a cache of q8_0+sink=1+recent=2+center=mean, a head of 32 and a context of 8.
std::vector<Seed> saved_cache_seeds() {
  constexpr std::size_t kCoded = 34, kExact = 64;  // bytes of a row
  const std::string one = Bytes().add<std::uint64_t>(1).add<std::uint64_t>(0).add<std::int32_t>(3).get() +
                          std::string(2 * kCoded + 4 * kExact, '\1');
  const std::string full = Bytes().add<std::uint64_t>(8).add<std::uint64_t>(7).get() + std::string(8 * 4, '\0') +
                           std::string(16 * kCoded + (8 + 1 + 2) * kExact + 32 * 4, '\1');
  return {{"saved_cache", "one", "\1" + one},
          {"saved_cache", "full", "\1" + full},
          {"saved_cache", "empty", "\1" + std::string(16, '\0')},
          {"saved_cache", "whole", std::string("\0tq cache\1\0\0\0\3\0\0\0a: ", 20) + std::string(24, '\0')}};
}

/// A config.json of each family that reads keys of its own.
std::vector<Seed> config_seeds() {
  const auto config = [](const char* name, const std::string& keys) {
    return Seed{
        "hf_config", name,
        R"({"hidden_size":64,"num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":16,)"
        R"("intermediate_size":96,"max_position_embeddings":512,"rms_norm_eps":1e-06,"model_type":)" +
            keys + "}"};
  };
  return {
      config("llama3", R"("llama","rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,)"
                       R"("high_freq_factor":4.0,"original_max_position_embeddings":64})"),
      config("yarn", R"("qwen3","rope_parameters":{"rope_type":"yarn","rope_theta":1e6,"factor":4.0,"beta_fast":32,)"
                     R"("attention_factor":1.1,"original_max_position_embeddings":128})"),
      config("mistral", R"("mistral","sliding_window":16,"layer_types":["sliding_attention","full_attention",)"
                        R"("sliding_attention","full_attention"])"),
      config("mixtral", R"("mixtral","num_local_experts":4,"num_experts_per_tok":2)"),
      config("qwen2", R"("qwen2","use_sliding_window":true,"sliding_window":32,"max_window_layers":2)"),
      config("qwen3moe", R"("qwen3_moe","num_experts":8,"num_experts_per_tok":2,"moe_intermediate_size":32,)"
                         R"("decoder_sparse_step":1,"mlp_only_layers":[])"),
      config("smollm3", R"("smollm3","no_rope_layers":[1,1,1,0],"no_rope_layer_interval":4)"),
      config("gemma2", R"("gemma2","sliding_window":8,"query_pre_attn_scalar":16,"attn_logit_softcapping":50.0,)"
                       R"("final_logit_softcapping":30.0,"hidden_activation":"gelu_pytorch_tanh")"),
      config("gemma3", R"("gemma3_text","sliding_window":8,"sliding_window_pattern":6,"rope_local_base_freq":10000,)"
                       R"("rope_scaling":{"rope_type":"linear","factor":8.0})"),
      config("phi3", R"("phi3","partial_rotary_factor":0.5,"original_max_position_embeddings":64,"rope_scaling":)"
                     R"({"type":"longrope","short_factor":[1.0,1.1,1.2,1.3],"long_factor":[1,2,3,4]})"),
      {"hf_config", "gpt2",
       R"({"model_type":"gpt2","n_embd":48,"n_layer":3,"n_head":3,"n_inner":null,"n_positions":64,)"
       R"("activation_function":"gelu_new"})"}};
}

std::vector<Seed> chat_template_seeds() {
  const std::string chatml =
      "{%- for m in messages if m.role != 'tool' %}{{- '<|im_start|>' + m['role'] + '\\n' + m.content|trim + "
      "'<|im_end|>' }}\n"
      "{%- endfor %}{% if add_generation_prompt and not x is none %}{{ 'assistant' ~ x }}{% endif %}";
  const std::string macros =
      "{# tools #}{% macro show(v, depth=0) -%}{% if v is mapping %}{ {%- for k, w in v|dictsort %}{{ k|tojson }}: {{ "
      "show(w, "
      "depth + 1) }}{{ ', ' if not loop.last }}{% endfor -%} }{% elif v is string or v is number %}{{ v|string|upper }}"
      "{% elif v is iterable %}[{{ v|map('string')|join(', ') }}]{% endif %}{%- endmacro %}{{ show(tools[0]) }}{{ "
      "tools|tojson(indent=2) }}";
  const std::string texts =
      "{% set ns = namespace(n=0, s='') %}{% for m in messages[1:][::-1] %}{% set ns.n = ns.n + m.content|length // 2 "
      "%}{% if "
      "loop.index0 is odd %}{% continue %}{% endif %}{% set ns.s = ns.s ~ "
      "m.content.split()[0].strip('ab').replace('a', 'bb')[-3:] %}"
      "{% endfor %}{% set b %}{{ '%s|%5d' % (ns.s, ns.n) }}{% endset %}{{ b|indent(2, true)|title }}{{ range(1, 9, "
      "3)|sum * -1.5e0 }}";
  return {{"chat_template", "chatml", chatml}, {"chat_template", "macros", macros}, {"chat_template", "texts", texts}};
}

/// Two windows of four tokens and a vocabulary of three.
std::string kld_base_seed() {
  Bytes bytes;
  bytes.add("_logits_").add<std::uint32_t>(4).add(3).add(2);
  for (int i = 0; i < 8; ++i) bytes.add(i % 3);
  for (int row = 0; row < 2; ++row) {
    bytes.add(1e-4F).add(-6.6F);
    for (std::uint16_t code = 0; code < 4; ++code) bytes.add(code);
  }
  return bytes.get();
}

/// Behind what the harness puts in front: two lanes of which the base has its words.
std::string checkpoint_seed() {
  Bytes bytes;
  bytes.add<std::uint64_t>(1).add<std::uint64_t>(2).add<std::int32_t>(3).add<std::int32_t>(1);
  bytes.add<std::uint64_t>(1).add<std::uint64_t>(0);
  const std::string record(18 * 8, '\0');
  return bytes.get() + record + Bytes().add<std::uint64_t>(2).get() + record + record;
}

/// The first byte chooses the task, in the order of task_names().
std::vector<Seed> task_seeds() {
  const auto seed = [](char task, const char* name, const char* line) {
    return Seed{"task", name, std::string(1, task) + line + "\n\n" + line};
  };
  return {
      seed(0, "lambada_text", R"({"text":"a b\n c"})"),
      seed(0, "lambada", R"({"context":"a","continuation":"b"})"),
      seed(1, "hellaswag",
           R"({"activity_label":"A","ctx_a":"a [title] b [x]","ctx_b":"THE","endings":["c  d","e"],"label":"1"})"),
      seed(2, "piqa", R"({"goal":"g","sol1":"a","sol2":"\u00e9","label":1})"),
      seed(3, "arc", R"({"question":"q","choices":{"text":["a","b"],"label":["A","B"]},"answerKey":"B"})"),
      seed(
          3, "arc_ai2",
          R"({"question":{"stem":"q","choices":[{"text":"a","label":"1"},{"text":"b","label":"2"}]},"answerKey":"2"})"),
      seed(3, "query", R"({"query":"q","choices":["a","b"],"gold":0})"),
      seed(4, "winogrande", R"({"sentence":"a _ b .","option1":"c","option2":"d","answer":"2"})"),
      seed(4, "context_options", R"({"context_options":["a","b"],"continuation":"c","gold":1})"),
      seed(5, "own", R"({"context":"","choices":["a"," b"],"answer":1})")};
}

std::vector<Seed> seeds() {
  std::vector<Seed> all = {
      {"gguf", "small", small_gguf().bytes()},
      {"gguf", "values", gguf_of_every_value()},
      {"gguf", "coded", CodedGguf().bytes()},
      {"safetensors", "small", small_safetensors()},
      {"safetensors", "empty", safetensors("{" + entry("a", "F4", "[2,0]", 0, 0) + "}  ", "")},
      {"llama2c", "v0", llama2c_v0(small_llama2c_sizes())},
      {"llama2c", "v1", llama2c_v1(small_llama2c_sizes())},
      {"hf_config", "config",
       R"({"architectures":["A"],"n":256,"eps":1e-05,"t":true,"no":null,"rope":{"f":8.0,"l":[1,2.5]},"b":[true]})"},
      {"hf_config", "index",
       R"({"metadata":{"total_size":8},"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}})"}};
  all.push_back(
      {"report", "small",
       R"({"schema":"turboquant.eval/1","model":{"name":"m","parameters":1},"machine":{"threads":2},"settings":{"context":8,"scored_tokens":400},)"
       R"("partial":false,"rows":[{"weights":"f16","kv":"tq4","kv_bytes":12,"kld_mean":1e-3,"ppl":2.5,"ppl_ratio":1.0,"top1_agreement":1,"kld_by_position":[{"from":4,"to":7,"kld_mean":null}]}]})"});
  all.push_back(
      {"plan", "small",
       R"({"schema":"turboquant.plan/1","model":"m","method":"measured","tensors":{"a":"tt2"},"groups":[{"name":"g","tensors":["a"],)"
       R"("weights":64,"choice":0,"options":[{"codec":"tt2","bytes":20,"kld":0.5,"measured":true},{"codec":"tt3","bytes":30,"kld":0.1,"measured":false}]}]})"});
  all.push_back(
      {"plan", "cache",
       R"({"schema":"turboquant.plan/1","model":"m","method":"measured","tensors":{},"cache":["tq3:tq2"],"cache_groups":[)"
       R"({"name":"layer.0.k","values":64,"choice":1,"options":[{"codec":"tq2","bytes":20,"kld":0.5,"measured":true},{"codec":"tq3","bytes":28,"kld":0.1,"measured":true}]},)"
       R"({"name":"layer.0.v","values":64,"choice":0,"options":[{"codec":"tq2","bytes":20,"kld":0.2,"measured":true},{"codec":"tq3","bytes":28,"kld":0.1,"measured":true}]}]})"});
  all.push_back(
      {"json_schema", "object",
       std::string(
           R"({"properties":{"a":{"type":"string","minLength":1},"b":{"items":{"$ref":"#"}},"c":{"enum":[1,"x"]}},)"
           R"("required":["a"]})") +
           '\0' + R"({"a": "é\n", "b": [{"a":"x"}], "c": 1})"});
  for (Seed& seed : tokenizer_seeds()) all.push_back(std::move(seed));
  for (Seed& seed : config_seeds()) all.push_back(std::move(seed));
  for (Seed& seed : chat_template_seeds()) all.push_back(std::move(seed));
  for (Seed& seed : vector_seeds()) all.push_back(std::move(seed));
  for (Seed& seed : imatrix_seeds()) all.push_back(std::move(seed));
  for (Seed& seed : saved_cache_seeds()) all.push_back(std::move(seed));
  all.push_back({"kld_base", "small", kld_base_seed()});
  all.push_back({"checkpoint", "begun", checkpoint_seed()});
  for (Seed& seed : task_seeds()) all.push_back(std::move(seed));
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  for (const Seed& seed : seeds()) {
    const std::filesystem::path folder = std::filesystem::path(argv[1]) / seed.harness;
    std::filesystem::create_directories(folder);
    std::ofstream file(folder / seed.name, std::ios::binary);
    file << seed.bytes;
    if (!file.flush()) {
      std::fprintf(stderr, "cannot write %s\n", (folder / seed.name).c_str());
      return 1;
    }
  }
  return 0;
}
