#include "formats/llama2c.h"

#include <fmt/format.h>

#include "base/random.h"
#include "formats/refusals.h"

namespace tq::test {
namespace {

/// The bytes must outlive the file.
Result<File> read(const std::string& bytes) {
  TensorFileBuilder builder;
  if (Result<void> done = parse_llama2c(bytes_of(bytes), "some/tiny.bin", builder); !done) return fail(std::move(done));
  return builder.finish("some/tiny.bin", "llama2c");
}

float first_float(const File& file, const std::string& name) {
  const TensorView* tensor = file->find(name);
  if (tensor == nullptr || tensor->bytes.size() < sizeof(float)) throw std::runtime_error("no tensor " + name);
  float value = 0;
  std::memcpy(&value, tensor->bytes.data(), sizeof value);
  return value;
}

/// The file's floats are 1, 2, 3, …, so a tensor's first value is its place. Sizes: dim 4, hidden 6, 2 layers, 2 heads
/// of 2, 1 key/value head, 5 tokens.
void expect_places(const File& file, const std::vector<std::pair<std::string, int>>& sizes) {
  float place = 1;
  for (const auto& [name, size] : sizes) {
    EXPECT_EQ(first_float(file, name), place) << name;
    EXPECT_EQ(file->find(name)->elements(), static_cast<std::uint64_t>(size)) << name;
    place += static_cast<float>(size);
  }
}

using Places = std::vector<std::pair<std::string, int>>;

void add_layers(Places& places, const std::string& stem, int size) {
  for (int layer = 0; layer < 2; ++layer) places.emplace_back(fmt::format("blk.{}.{}.weight", layer, stem), size);
}

TEST(Llama2c, version_0_in_the_order_of_run_c) {
  const std::string bytes = llama2c_v0(small_llama2c_sizes());
  const File file = must(read(bytes));
  Places places = {{"token_embd.weight", 20}};
  add_layers(places, "attn_norm", 4);
  add_layers(places, "attn_q", 16);
  add_layers(places, "attn_k", 8);
  add_layers(places, "attn_v", 8);
  add_layers(places, "attn_output", 16);
  add_layers(places, "ffn_norm", 4);
  add_layers(places, "ffn_gate", 24);
  add_layers(places, "ffn_down", 24);
  add_layers(places, "ffn_up", 24);
  places.emplace_back("output_norm.weight", 4);
  expect_places(file, places);
  EXPECT_EQ(file->tensors().size(), places.size());
  EXPECT_EQ(file->find("output.weight"), nullptr);
}

TEST(Llama2c, version_1_has_the_norms_in_front) {
  const std::string bytes = llama2c_v1(small_llama2c_sizes());
  const File file = must(read(bytes));
  Places places;
  add_layers(places, "attn_norm", 4);
  add_layers(places, "ffn_norm", 4);
  places.emplace_back("output_norm.weight", 4);
  places.emplace_back("token_embd.weight", 20);
  add_layers(places, "attn_q", 16);
  add_layers(places, "attn_k", 8);
  add_layers(places, "attn_v", 8);
  add_layers(places, "attn_output", 16);
  add_layers(places, "ffn_gate", 24);
  add_layers(places, "ffn_down", 24);
  add_layers(places, "ffn_up", 24);
  expect_places(file, places);
  EXPECT_EQ(file->tensors().size(), places.size());
}

TEST(Llama2c, shapes_and_keys_as_in_gguf) {
  const std::string bytes = llama2c_v0(small_llama2c_sizes());
  const File file = must(read(bytes));
  EXPECT_EQ(file->find("blk.1.attn_k.weight")->shape, (std::vector<std::uint64_t>{2, 4}));
  EXPECT_EQ(file->find("blk.0.ffn_down.weight")->shape, (std::vector<std::uint64_t>{4, 6}));
  EXPECT_EQ(file->find("blk.0.ffn_up.weight")->shape, (std::vector<std::uint64_t>{6, 4}));
  const Metadata& metadata = file->metadata();
  EXPECT_EQ(metadata.string("general.architecture"), "llama");
  EXPECT_EQ(metadata.string("general.name"), "tiny");
  EXPECT_EQ(metadata.integer("llama.embedding_length"), 4);
  EXPECT_EQ(metadata.integer("llama.feed_forward_length"), 6);
  EXPECT_EQ(metadata.integer("llama.block_count"), 2);
  EXPECT_EQ(metadata.integer("llama.attention.head_count"), 2);
  EXPECT_EQ(metadata.integer("llama.attention.head_count_kv"), 1);
  EXPECT_EQ(metadata.integer("llama.vocab_size"), 5);
  EXPECT_EQ(metadata.integer("llama.context_length"), 3);
  EXPECT_EQ(metadata.integer("llama.rope.dimension_count"), 2);
  EXPECT_EQ(metadata.number("llama.rope.freq_base"), 10000.0);
  EXPECT_EQ(metadata.number("llama.attention.layer_norm_rms_epsilon"), 1e-5);
}

TEST(Llama2c, a_separate_output) {
  Llama2cSizes sizes = small_llama2c_sizes();
  const std::string v1 = llama2c_v1(sizes, kSmallLlama2cFloats + 20, 0);
  EXPECT_EQ(first_float(must(read(v1)), "output.weight"), static_cast<float>(kSmallLlama2cFloats + 1));
  sizes[5] = -5;
  const std::string v0 = llama2c_v0(sizes, kSmallLlama2cFloats + 6 + 20);
  const File file = must(read(v0));
  EXPECT_EQ(file->metadata().integer("llama.vocab_size"), 5);
  EXPECT_EQ(first_float(file, "output.weight"),
            static_cast<float>(kSmallLlama2cFloats + 6 + 1));  // behind the rotary tables
}

TEST(Llama2c, every_prefix_and_a_byte_too_many) {
  for (const std::string& whole : {llama2c_v0(small_llama2c_sizes()), llama2c_v1(small_llama2c_sizes())}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      expect_refused(read(whole.substr(0, size)), "some/tiny.bin", "", "cut at " + std::to_string(size));
    }
    expect_refused(read(whole + "x"), "some/tiny.bin", "1 bytes behind the last tensor", "a byte more");
  }
}

TEST(Llama2c, sizes_that_no_model_has) {
  const char* const names[] = {"dim", "hidden", "layers", "heads", "kv_heads", "vocab", "context"};
  for (std::size_t i = 0; i < 7; ++i) {
    for (const std::int32_t value : {0, -1, INT32_MIN, INT32_MAX, 1 << 24, (1 << 24) + 1}) {
      if (i == 5 && value == -1) continue;  // a vocabulary of one with a separate output
      Llama2cSizes sizes = small_llama2c_sizes();
      sizes[i] = value;
      const std::string what = fmt::format("{} of {}", names[i], value);
      expect_refused(read(llama2c_v0(sizes)), "some/tiny.bin", "", what);
      // Version 1 has no rotary tables, so any context up to the limit fits its data.
      if (i == 6 && value == 1 << 24) continue;
      expect_refused(read(llama2c_v1(sizes)), "some/tiny.bin", "", what);
    }
  }
}

TEST(Llama2c, heads_that_do_not_share) {
  const std::vector<std::pair<std::string, Llama2cSizes>> cases = {
      {"heads that do not divide dim", {4, 6, 2, 3, 1, 5, 3}},
      {"key/value heads that do not divide heads", {4, 6, 2, 2, 3, 5, 3}},
      {"more key/value heads than heads", {4, 6, 2, 2, 4, 5, 3}},
      {"heads of one value, which cannot rotate", {4, 6, 2, 4, 1, 5, 3}},
      {"a product beyond 2^64", {1 << 24, 1 << 24, 1 << 24, 1, 1, 1 << 24, 1 << 24}},
  };
  for (const auto& [what, sizes] : cases) {
    expect_refused(read(llama2c_v0(sizes)), "some/tiny.bin", "", what);
    expect_refused(read(llama2c_v1(sizes)), "some/tiny.bin", "", what);
  }
}

TEST(Llama2c, header_of_version_1) {
  const std::string good = llama2c_v1(small_llama2c_sizes());
  const auto changed = [&](std::size_t at, char value) {
    std::string bytes = good;
    bytes[at] = value;
    return bytes;
  };
  Llama2cSizes negative = small_llama2c_sizes();
  negative[5] = -5;
  const std::vector<Refusal> refusals = {
      {"version 0 behind the magic", changed(4, 0), "version 0"},
      {"version 2", changed(4, 2), "quantized"},
      {"version 3", changed(4, 3), "version 3"},
      {"a shared flag of 2", changed(36, 2), "damaged"},
      {"padding that is not zero", changed(255, 1), "damaged"},
      {"a negative vocabulary", llama2c_v1(negative), "damaged"},
      {"the magic alone", good.substr(0, 4), "cut off"},
      {"a separate output that is not there", changed(36, 0), "cut off"},
  };
  for (const Refusal& refusal : refusals)
    expect_refused(read(refusal.bytes), "some/tiny.bin", refusal.words, refusal.what);
}

TEST(Llama2c, texts_and_zeros_do_not_look_like_one) {
  EXPECT_TRUE(looks_like_llama2c(bytes_of(llama2c_v0(small_llama2c_sizes()))));
  const std::string text = "This is an ordinary text of some length.", zeros(1000, '\0');
  EXPECT_FALSE(looks_like_llama2c(bytes_of(text)));
  EXPECT_FALSE(looks_like_llama2c(bytes_of(zeros)));
  EXPECT_FALSE(looks_like_llama2c({}));
}

}  // namespace
}  // namespace tq::test
