// Real files in every container, against each other.
#include <algorithm>
#include <cmath>

#include "base/float16.h"
#include "formats/refusals.h"
#include "support/shared_data.h"

namespace tq::test {
namespace {

std::string models(const std::string& relative) { return "models/" + relative; }
File open(const std::string& relative) { return must(TensorFile::open(shared_data(models(relative)))); }

/// f16 or f32, as floats.
std::vector<float> floats_of(const TensorView& tensor) {
  std::vector<float> values(tensor.elements());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (tensor.type == "f32") std::memcpy(&values[i], tensor.bytes.data() + 4 * i, 4);
    if (tensor.type == "f16") values[i] = half_to_float(load_u16(tensor.bytes.data() + 2 * i));
  }
  return values;
}

/// The name that conversion to GGUF gives to a tensor of a Hugging Face Llama.
std::string gguf_name(std::string name) {
  const std::vector<std::pair<std::string, std::string>> parts = {{"model.embed_tokens", "token_embd"},
                                                                  {"model.norm", "output_norm"},
                                                                  {"lm_head", "output"},
                                                                  {"model.layers.", "blk."},
                                                                  {"input_layernorm", "attn_norm"},
                                                                  {"post_attention_layernorm", "ffn_norm"},
                                                                  {"self_attn.q_proj", "attn_q"},
                                                                  {"self_attn.k_proj", "attn_k"},
                                                                  {"self_attn.v_proj", "attn_v"},
                                                                  {"self_attn.o_proj", "attn_output"},
                                                                  {"mlp.gate_proj", "ffn_gate"},
                                                                  {"mlp.up_proj", "ffn_up"},
                                                                  {"mlp.down_proj", "ffn_down"}};
  for (const auto& [from, to] : parts) {
    if (const std::size_t at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
  }
  return name;
}

/// Rows i and i + n/2 of a head, which rotate together in Hugging Face's layout, become rows 2i and 2i + 1 in GGUF.
std::vector<float> with_adjacent_pairs(const std::vector<float>& rows, std::size_t cols, std::size_t head_dim) {
  std::vector<float> moved(rows.size());
  for (std::size_t r = 0; r < rows.size() / cols; ++r) {
    const std::size_t in_head = r % head_dim, half = head_dim / 2;
    const std::size_t target = r - in_head + (in_head < half ? 2 * in_head : 2 * (in_head - half) + 1);
    std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(r * cols), cols,
                moved.begin() + static_cast<std::ptrdiff_t>(target * cols));
  }
  return moved;
}

TEST(SharedModels, pycoder_opens_from_each_container) {
  TQ_NEEDS_SHARED_DATA("models/pycoder");
  const File gguf = open("pycoder/pycoder.f16.gguf"), folder = open("pycoder"),
             single = open("pycoder/model.safetensors");
  EXPECT_EQ(gguf->format(), "gguf");
  EXPECT_EQ(folder->format(), "safetensors");
  for (const File& file : {gguf, folder, single}) EXPECT_EQ(file->tensors().size(), 6U * 9 + 2) << file->path();
  EXPECT_EQ(gguf->metadata().string("general.architecture"), "llama");
  EXPECT_EQ(gguf->metadata().integer("llama.block_count"), 6);
  EXPECT_EQ(gguf->metadata().strings("tokenizer.ggml.tokens")->size(), 4096U);
  for (const File& file : {folder, single}) {
    EXPECT_EQ(file->metadata().integer("hf.num_hidden_layers"), 6);
    EXPECT_EQ(*file->metadata().strings("hf.architectures"), Metadata::Strings{"LlamaForCausalLM"});
    EXPECT_EQ(file->metadata().boolean("hf.tie_word_embeddings"), true);
  }
  EXPECT_EQ(gguf->find("token_embd.weight")->shape, (std::vector<std::uint64_t>{4096, 256}));
}

TEST(SharedModels, pycoder_has_the_same_values_in_gguf_and_safetensors) {
  TQ_NEEDS_SHARED_DATA("models/pycoder");
  const File gguf = open("pycoder/pycoder.f16.gguf"), folder = open("pycoder");
  std::size_t same_bytes = 0, moved_rows = 0;
  for (const TensorView& ours : folder->tensors()) {
    const TensorView* theirs = gguf->find(gguf_name(ours.name));
    ASSERT_NE(theirs, nullptr) << ours.name;
    ASSERT_EQ(theirs->shape, ours.shape) << ours.name;
    const bool rotates = ours.name.find("q_proj") != std::string::npos || ours.name.find("k_proj") != std::string::npos;
    if (rotates) {
      ASSERT_EQ(floats_of(*theirs), with_adjacent_pairs(floats_of(ours), 256, 64)) << ours.name;
      ASSERT_NE(floats_of(*theirs), floats_of(ours)) << ours.name;  // else the permutation was not tested
      ++moved_rows;
    } else if (theirs->type == ours.type) {
      ASSERT_TRUE(std::ranges::equal(theirs->bytes, ours.bytes)) << ours.name;
      ++same_bytes;
    } else {
      ASSERT_EQ(floats_of(*theirs), floats_of(ours)) << ours.name;  // norms: f16 here, f32 there
    }
  }
  EXPECT_EQ(moved_rows, 12U);
  EXPECT_GE(same_bytes, 6U * 5 + 1);  // v, o, gate, up, down of each layer and the embedding
}

TEST(SharedModels, stories_has_the_same_bits_in_three_containers) {
  TQ_NEEDS_SHARED_DATA("models/stories260K");
  const File v0 = open("stories260K/stories260K.bin"), v1 = open("stories260K/checkpoint_v1.bin"),
             gguf = open("stories260K/stories260K.f32.gguf");
  ASSERT_EQ(v0->tensors().size(), 5U * 9 + 2);
  ASSERT_EQ(v1->tensors().size(), v0->tensors().size());
  for (const TensorView& tensor : v0->tensors()) {
    for (const File& other : {v1, gguf}) {
      const TensorView* same = other->find(tensor.name);
      ASSERT_NE(same, nullptr) << tensor.name << " in " << other->path();
      ASSERT_EQ(same->type, "f32");
      ASSERT_EQ(same->shape, tensor.shape) << tensor.name << " in " << other->path();
      ASSERT_TRUE(std::ranges::equal(same->bytes, tensor.bytes)) << tensor.name << " in " << other->path();
    }
  }
  for (const char* key :
       {"llama.block_count", "llama.embedding_length", "llama.feed_forward_length", "llama.attention.head_count",
        "llama.attention.head_count_kv", "llama.rope.dimension_count"}) {
    EXPECT_EQ(v0->metadata().integer(key), v1->metadata().integer(key)) << key;
    EXPECT_EQ(v0->metadata().integer(key), gguf->metadata().integer(key)) << key;
    EXPECT_TRUE(v0->metadata().integer(key).has_value()) << key;
  }
}

TEST(SharedModels, every_vocabulary) {
  TQ_NEEDS_SHARED_DATA("tokenizers/ggml-vocab");
  std::size_t count = 0;
  for (const auto& item : std::filesystem::directory_iterator(shared_data("tokenizers/ggml-vocab"))) {
    if (item.path().extension() != ".gguf") continue;
    const File file = must(TensorFile::open(item.path()));
    ASSERT_NE(file->metadata().strings("tokenizer.ggml.tokens"), nullptr) << item.path();
    EXPECT_GT(file->metadata().strings("tokenizer.ggml.tokens")->size(), 30000U) << item.path();
    ++count;
  }
  EXPECT_GE(count, 5U);
}

TEST(SharedModels, other_files_of_the_folders_are_refused) {
  TQ_NEEDS_SHARED_DATA("models/stories260K");
  for (const std::string& name :
       {std::string("stories260K/tok512.bin"), std::string("stories260K/tok512.model"),
        std::string("pycoder/tokenizer.json"), std::string("gpt-nano-sort/gpt-nano-sort-model.json")}) {
    const std::filesystem::path path = shared_data(models(name));
    expect_refused(TensorFile::open(path), path.string(), "", name);
  }
}

}  // namespace
}  // namespace tq::test
