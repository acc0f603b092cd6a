// Importance matrices: both forms that llama-imatrix writes, and what a stranger might write.
#include "turboquant/imatrix.h"

#include <cmath>
#include <limits>

#include "formats/refusals.h"
#include "support/temporary_folder.h"

namespace tq::test {
namespace {

const std::string kName = "some/imatrix";

Result<ImportanceMatrix> parse(const std::string& bytes) { return parse_imatrix(bytes_of(bytes), kName); }

Bytes& add_name(Bytes& bytes, const std::string& name) {
  return bytes.add(static_cast<std::int32_t>(name.size())).add(name);
}

/// An entry of the binary form.
Bytes& add_entry(Bytes& bytes, const std::string& name, std::int32_t calls, const std::vector<float>& values) {
  add_name(bytes, name).add(calls).add(static_cast<std::int32_t>(values.size()));
  for (const float value : values) bytes.add(value);
  return bytes;
}

std::string binary(const std::vector<float>& values = {2, 4, 6}, std::int32_t calls = 2) {
  Bytes bytes;
  bytes.add<std::int32_t>(2);
  add_entry(bytes, "blk.0.attn_q.weight", calls, values);
  add_entry(bytes, "blk.0.ffn_down.weight", 1, {1, 0});
  return bytes.get();
}

std::string floats(const std::vector<float>& values) {
  Bytes bytes;
  for (const float value : values) bytes.add(value);
  return bytes.get();
}

/// One matrix, and a stack of two experts of which the second saw nothing.
Gguf gguf() {
  Gguf file;
  file.keys = {text_key("general.type", "imatrix"),
               array_key("imatrix.datasets", kText, 1, Bytes().add_text("code.txt").get()),
               key<std::uint32_t>("imatrix.chunk_count", kU32, 1), key<std::uint32_t>("imatrix.chunk_size", kU32, 4)};
  file.tensors = {{"blk.0.attn_q.weight.in_sum2", {3}, 0, 0},
                  {"blk.0.attn_q.weight.counts", {1}, 0, 32},
                  {"blk.0.ffn_up_exps.weight.in_sum2", {2, 2}, 0, 64},
                  {"blk.0.ffn_up_exps.weight.counts", {1, 2}, 0, 96}};
  for (const std::vector<float>& values : std::vector<std::vector<float>>{{4, 8, 12}, {4}, {2, 6, 0, 0}, {2, 0}}) {
    file.data += floats(values);
    file.data.resize((file.data.size() + 31) / 32 * 32);
  }
  return file;
}

TEST(Imatrix, the_binary_form_has_means_times_calls) {
  for (const std::string& end : {std::string(), Bytes().add<std::int32_t>(7).get(),
                                 Bytes().add<std::int32_t>(7).add<std::int32_t>(4).add("text").get()}) {
    const ImportanceMatrix matrix = must(parse(binary() + end));
    EXPECT_EQ(matrix.squares.at("blk.0.attn_q.weight"), (std::vector<float>{1, 2, 3}));
    EXPECT_EQ(matrix.squares.at("blk.0.ffn_down.weight"), (std::vector<float>{1, 0}));
    EXPECT_EQ(matrix.text, end.size() > 4 ? "text" : "");
  }
}

TEST(Imatrix, the_gguf_form_has_sums_and_counts) {
  const ImportanceMatrix matrix = must(parse(gguf().bytes()));
  EXPECT_EQ(matrix.squares.at("blk.0.attn_q.weight"), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(matrix.squares.at("blk.0.ffn_up_exps.weight"), (std::vector<float>{1, 3, 0, 0})) << "no token, no mean";
  EXPECT_EQ(matrix.text, "code.txt");
  EXPECT_EQ(matrix.tokens, 4U);
}

TEST(Imatrix, what_is_written_is_read) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "imatrix.gguf";
  ImportanceMatrix matrix;
  matrix.squares = {{"blk.0.attn_q.weight", {0.25F, 3, 0}}, {"blk.10.ffn_down.weight", {1e-3F}}};
  matrix.text = "code.txt";
  matrix.tokens = 1024;
  must(write_imatrix(matrix, 512, path));
  const ImportanceMatrix read = must(read_imatrix(path));
  EXPECT_EQ(read.squares.size(), 2U);
  for (const auto& [tensor, squares] : matrix.squares) {
    const std::vector<float>& again = read.squares.at(tensor);
    ASSERT_EQ(again.size(), squares.size());
    for (std::size_t i = 0; i < squares.size(); ++i) EXPECT_FLOAT_EQ(again[i], squares[i]);
  }
  EXPECT_EQ(read.text, "code.txt");
  EXPECT_EQ(read.tokens, 1024U);
  EXPECT_EQ(must(TensorFile::open(path))->metadata().integer("imatrix.chunk_count"), 2);
}

TEST(Imatrix, what_is_none_is_refused_in_a_sentence) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const auto entry = [](const std::string& name, std::int32_t calls, std::int32_t count, std::size_t values) {
    Bytes bytes;
    bytes.add<std::int32_t>(1);
    add_name(bytes, name).add(calls).add(count);
    for (std::size_t i = 0; i < values; ++i) bytes.add(1.0F);
    return bytes.get();
  };
  Bytes twice, negative_name;
  twice.add<std::int32_t>(2);
  add_entry(add_entry(twice, "a", 1, {1}), "a", 1, {1});
  negative_name.add<std::int32_t>(1).add<std::int32_t>(-1).add(std::string(12, '\0'));
  std::vector<Refusal> refusals = {
      {"nothing", "", "begins as no importance matrix"},
      {"no entries", Bytes().add<std::int32_t>(0).get(), "begins as no importance matrix"},
      {"a negative count of entries", Bytes().add<std::int32_t>(-3).get() + std::string(64, '\1'), "begins as no"},
      {"more entries than bytes", Bytes().add<std::int32_t>(1 << 30).get() + std::string(64, '\1'), "begins as no"},
      {"a name of negative length", negative_name.get(), "beyond the end"},
      {"a name beyond the end", Bytes().add<std::int32_t>(1).add<std::int32_t>(1000).get() + std::string(12, 'a'),
       "beyond the end"},
      {"values beyond the end", entry("a", 1, 1 << 30, 2), "beyond the end"},
      {"a negative count of values", entry("a", 1, -1, 2), "beyond the end"},
      {"no calls", entry("a", 0, 2, 2), "no calls"},
      {"negative calls", entry("a", -2, 2, 2), "no calls"},
      {"no values", entry("a", 1, 0, 0), "no values"},
      {"no name", entry("", 1, 2, 2), "no name"},
      {"a name that stands twice", twice.get(), "stands twice"},
      {"a NaN", binary({1, nan, 1}), "no mean of squares"},
      {"an infinity", binary({1, infinity, 1}), "no mean of squares"},
      {"a negative square", binary({1, -1, 1}), "no mean of squares"},
      {"bytes behind the end", binary() + "ab", "mean nothing"},
      {"a text that is cut off", binary() + Bytes().add<std::int32_t>(7).add<std::int32_t>(4).add("te").get(),
       "mean nothing"},
      {"a GGUF of a model", small_gguf().bytes(), "not the importance matrix"}};
  for (std::size_t size = 1; size < binary().size(); size += 7)
    refusals.push_back({"cut off at " + std::to_string(size), binary().substr(0, size), ""});
  for (const Refusal& refusal : refusals) expect_refused(parse(refusal.bytes), kName, refusal.words, refusal.what);
}

TEST(Imatrix, sums_and_counts_that_do_not_belong_together_are_refused) {
  const auto changed = [](auto&& change) {
    Gguf file = gguf();
    change(file);
    return file.bytes();
  };
  const auto set = [](std::size_t at, float value) {
    return [=](Gguf& file) { file.data.replace(at, sizeof value, floats({value})); };
  };
  const float infinity = std::numeric_limits<float>::infinity();
  for (const Refusal& refusal : std::vector<Refusal>{
           {"no counts", changed([](Gguf& file) { file.tensors[1].name = "other"; }), "no counts"},
           {"counts of another type", changed([](Gguf& file) { file.tensors[1].type = 26; }), "not f32"},
           {"no sums at all", changed([](Gguf& file) {
              file.tensors[0].name = file.tensors[2].name = "x";
              file.tensors[2].name = "y";
            }),
            "no sums of squares"},
           {"a name that is nothing but the suffix", changed([](Gguf& file) {
              file.tensors[0].name = ".in_sum2";
              file.tensors[1].name = ".counts";
            }),
            "no counts"},
           {"experts that do not divide the sums", changed([](Gguf& file) {
              file.tensors[0].dims = {3};
              file.tensors[1].dims = {2};
            }),
            "do not fit"},
           {"a negative sum", changed(set(0, -1)), "do not fit"},
           {"an infinite sum", changed(set(4, infinity)), "do not fit"},
           {"a negative count", changed(set(32, -1)), "do not fit"},
           {"a count so small that the mean is infinite", changed([&](Gguf& file) {
              set(0, 1e38F)(file);
              set(32, 1e-38F)(file);
            }),
            "no counts"}}) {
    expect_refused(parse(refusal.bytes), kName, refusal.words, refusal.what);
  }
}

}  // namespace
}  // namespace tq::test
