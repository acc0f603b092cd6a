#include "turboquant/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>

#include "support/models.h"
#include "support/pycoder_folder.h"
#include "support/random_rows.h"
#include "support/short_pycoder.h"
#include "support/temporary_folder.h"
#include "support/tiny_models.h"
#include "turboquant/size_target.h"
#include "turboquant/tokenizer.h"

namespace tq::test {
namespace {

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

QuantizeReport write(const std::filesystem::path& from, const std::filesystem::path& to, const std::string& type,
                     const std::vector<TensorTypeRule>& rules = {}) {
  return must(quantize(*must(TensorFile::open(from)), to, {.type = type, .tensor_types = rules, .threads = 2}));
}

std::vector<float> logits(const std::shared_ptr<const Model>& model, std::size_t n = 8) {
  const auto session = open_session(model, {.threads = 2});
  return logits_of(*session, some_tokens(n, model->config().vocab_size));
}

const QuantizedTensor& tensor_of(const QuantizeReport& report, const std::string& name) {
  const auto found = std::ranges::find(report.tensors, name, &QuantizedTensor::name);
  if (found == report.tensors.end()) throw std::runtime_error("no tensor " + name);
  return *found;
}

// Compressing to a file and compressing on load are the same arithmetic on the same rows.
TEST(Quantize, a_file_gives_the_logits_of_compressing_on_load) {
  const TemporaryFolder folder;
  for (const char* type : {"tq2", "tq4", "tq7", "tt3", "tq3p", "affine4", "q8_0", "q4_k"}) {
    const auto path = folder.path() / "out.gguf";
    const QuantizeReport report = must(
        quantize(*must(TensorFile::open(short_pycoder_gguf())), path, {.type = type, .replace = true, .threads = 2}));
    const auto from_file = load(path), on_load = load(short_pycoder_gguf(), type);
    EXPECT_EQ(logits(from_file), logits(on_load)) << type;
    EXPECT_EQ(from_file->weights_name(), type);
    EXPECT_EQ(from_file->footprint().weights_bytes, on_load->footprint().weights_bytes) << type;
    EXPECT_DOUBLE_EQ(report.bpw_linear, on_load->footprint().linear_bits_per_weight()) << type;
    EXPECT_EQ(report.output_bytes, std::filesystem::file_size(path)) << type;
  }
}

TEST(Quantize, a_hugging_face_folder_gives_the_same_and_keeps_its_tokenizer) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "out.gguf";
  const std::filesystem::path chat_template = pycoder_folder() / "chat_template.jinja";
  std::ofstream(chat_template) << "{{ messages }}";
  write(pycoder_folder(), path, "tq4");
  std::filesystem::remove(chat_template);
  EXPECT_EQ(must(TensorFile::open(path))->metadata().string("tokenizer.chat_template"), "{{ messages }}");
  EXPECT_EQ(logits(load(path)), logits(load(pycoder_folder(), "tq4")));
  const auto tokenizer = must(Tokenizer::for_model(*must(TensorFile::open(path))));
  const auto original = must(Tokenizer::for_model(*must(TensorFile::open(pycoder_folder()))));
  const std::string text = "def add(a, b):\n    return a + b\n";
  EXPECT_EQ(tokenizer->encode(text), original->encode(text));
  EXPECT_EQ(tokenizer->adds_bos(), original->adds_bos());

  EXPECT_EQ(must(Tokenizer::open(path))->encode(text), original->encode(text));

  const auto kept = folder.path() / "kept.gguf";  // rows that are moved, not coded
  write(pycoder_folder(), kept, "", {{"ffn_up", "tq9"}});
  const ModelFootprint footprint = load(kept)->footprint();
  EXPECT_LT(footprint.linear_bits_per_weight(), 16);
  EXPECT_LT(largest_difference(logits(load(kept)), logits(load(pycoder_folder()))), 0.3) << "9 bits of a third";
}

TEST(Quantize, what_keeps_its_type_is_copied_byte_for_byte_and_so_are_the_keys) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "out.gguf";
  write(short_pycoder_gguf(), path, "tq3");
  const auto in = must(TensorFile::open(short_pycoder_gguf())), out = must(TensorFile::open(path));
  ASSERT_EQ(in->tensors().size(), out->tensors().size());
  std::size_t copies = 0;
  for (const TensorView& tensor : in->tensors()) {
    const TensorView* copy = out->find(tensor.name);
    ASSERT_NE(copy, nullptr) << tensor.name;
    EXPECT_EQ(copy->shape, tensor.shape);
    if (copy->coding) continue;
    EXPECT_TRUE(std::ranges::equal(copy->bytes, tensor.bytes)) << tensor.name;
    ++copies;
  }
  EXPECT_EQ(copies, 1 + 2 * load(path)->config().n_layers + 1) << "embedding and norms";
  std::map<std::string, std::string> keys;
  for (const RawKey& key : out->raw_keys())
    keys[key.name] = {reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()};
  for (const RawKey& key : in->raw_keys()) {
    if (key.name == "general.alignment" || key.name == "general.file_type" ||
        key.name == "general.quantization_version")
      continue;
    EXPECT_EQ(keys[key.name], std::string(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()))
        << key.name;
  }
}

TEST(Quantize, threads_change_no_byte) {
  const TemporaryFolder folder;
  const auto file = must(TensorFile::open(short_pycoder_gguf()));
  std::string alone;
  double error = 0;
  for (const unsigned threads : {1U, 3U}) {
    const auto path = folder.path() / ("out" + std::to_string(threads));
    const QuantizeReport report = must(quantize(*file, path, {.type = "tt3", .threads = threads}));
    const double now = tensor_of(report, "blk.0.ffn_up.weight").relative_error;
    if (threads == 1) {
      alone = contents(path);
      error = now;
    }
    EXPECT_TRUE(contents(path) == alone) << threads;
    EXPECT_EQ(now, error) << "the sum over blocks has one order";
  }
}

// The theory: 0.009501 for 4 bits of a Gaussian (docs/algorithm.md), which the rotated rows of a trained matrix are
// near; a row's scale in f16 adds 2^-24, rows of 512 a percent.
TEST(Quantize, the_error_is_the_one_of_what_was_written) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "out.gguf";
  const QuantizeReport report = write(short_pycoder_gguf(), path, "tq4");
  const QuantizedTensor& tensor = tensor_of(report, "blk.0.ffn_up.weight");
  EXPECT_NEAR(tensor.relative_error, 0.0095, 0.0005);
  EXPECT_EQ(tensor_of(report, "token_embd.weight").relative_error, 0);
  const auto in = must(TensorFile::open(short_pycoder_gguf())), out = must(TensorFile::open(path));
  const TensorView &before = *in->find(tensor.name), &after = *out->find(tensor.name);
  const std::size_t rows = before.shape[0], columns = before.shape[1];
  std::vector<float> a(rows * columns), b(rows * columns);
  must(make_codec(must(CodecSpec::parse(before.type)), columns))->decode(before.bytes.data(), 0, rows, a.data());
  must(make_codec(*after.coding, columns))->decode(after.bytes.data(), 0, rows, b.data());
  double error = 0, energy = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    energy += std::pow(static_cast<double>(a[i]), 2);
  }
  EXPECT_NEAR(tensor.relative_error, error / energy, 1e-9);
}

TEST(Quantize, rows_that_a_codec_cannot_code_get_the_stated_fallback) {
  TQ_NEEDS_SHARED_DATA("models/stories260K");
  std::filesystem::path model;
  for (const auto& item : std::filesystem::directory_iterator(shared_data("models/stories260K"))) {
    if (item.path().extension() == ".gguf") model = item.path();
  }
  if (model.empty()) GTEST_SKIP() << "needs a GGUF in ../shared/data/models/stories260K";
  const TemporaryFolder folder;
  const auto path = folder.path() / "out.gguf";
  struct Case {
    const char *asked, *of_64, *of_172;  // rows of 64 and of 172 values
  };
  for (const Case& example :
       {Case{"q4_k", "q5_0", "f32"}, Case{"q2_k", "iq4_nl", "f32"}, Case{"q4_0", "q4_0", "f32"},
        Case{"affine4", "affine4", "tq4"}, Case{"tq4", "tq4", "tq4"}, Case{"tt3", "tt3", "tt3"}}) {
    const auto file = must(TensorFile::open(model));
    const QuantizeReport report = must(quantize(*file, path, {.type = example.asked, .replace = true}));
    for (const QuantizedTensor& tensor : report.tensors) {
      if (!tensor.layer_matrix) continue;
      const std::string expected = tensor.shape[1] == 64 ? example.of_64 : example.of_172;
      EXPECT_EQ(tensor.type, expected) << example.asked << " for " << tensor.name << " of " << tensor.shape[1];
      EXPECT_EQ(tensor.note.empty(), tensor.type == example.asked) << tensor.note;
    }
    for (const float logit : logits(load(path))) ASSERT_TRUE(std::isfinite(logit)) << example.asked;
  }
}

TEST(Quantize, rules_choose_among_tensors) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "out.gguf";
  const QuantizeReport report =
      write(short_pycoder_gguf(), path, "tq3",
            {{"attn_v", "tq6"}, {"^token_embd", "q8_0"}, {R"(blk\.0\.attn_v)", "keep"}, {"norm", "tq4"}});
  EXPECT_EQ(tensor_of(report, "blk.1.attn_v.weight").type, "tq6");
  EXPECT_EQ(tensor_of(report, "blk.0.attn_v.weight").type, "f16");
  EXPECT_EQ(tensor_of(report, "blk.1.attn_q.weight").type, "tq3");
  EXPECT_EQ(tensor_of(report, "token_embd.weight").type, "q8_0");
  EXPECT_EQ(tensor_of(report, "output_norm.weight").type, tensor_of(report, "output_norm.weight").source_type)
      << "norms are no matrices";
  EXPECT_EQ(load(path)->weights_name(), "mixed");
}

TEST(Quantize, a_dry_run_knows_the_size_to_the_byte) {
  const TemporaryFolder folder;
  const auto file = must(TensorFile::open(short_pycoder_gguf()));
  for (const bool plain : {false, true}) {
    const QuantizeOptions options{.type = plain ? "q4_0" : "tq5", .plain = plain};
    const QuantizeReport planned = must(plan_quantize(*file, options));
    const QuantizeReport written = must(quantize(*file, folder.path() / (plain ? "a" : "b"), options));
    EXPECT_EQ(planned.output_bytes, written.output_bytes);
    EXPECT_EQ(planned.bpw, written.bpw);
    EXPECT_TRUE(std::isnan(tensor_of(planned, "blk.0.ffn_up.weight").relative_error));
  }
}

void expect_refused(const Result<QuantizeReport>& result, ErrorCode code, const std::string& word) {
  ASSERT_FALSE(result.has_value()) << word;
  EXPECT_EQ(result.error().code, code) << result.error().message;
  EXPECT_NE(result.error().message.find(word), std::string::npos) << result.error().message;
}

TEST(Quantize, neither_the_input_nor_another_file_is_overwritten) {
  const TemporaryFolder folder;
  const auto input = folder.write("in.gguf", contents(short_pycoder_gguf())), other = folder.write("other", "precious");
  const auto file = must(TensorFile::open(input));
  std::filesystem::create_symlink("in.gguf", folder.path() / "link");
  for (const char* name : {"in.gguf", "./in.gguf", "link"})
    expect_refused(quantize(*file, folder.path() / name, {.type = "tq4", .replace = true}), ErrorCode::kUsage,
                   "is the input");
  expect_refused(quantize(*file, other, {.type = "tq4"}), ErrorCode::kUsage, "exists");
  EXPECT_EQ(contents(other), "precious");
  expect_refused(quantize(*must(TensorFile::open(pycoder_folder())), pycoder_folder() / "model.safetensors",
                          {.type = "tq4", .replace = true}),
                 ErrorCode::kUsage, "a part of it");
  EXPECT_TRUE(contents(input) == contents(short_pycoder_gguf()));
}

TEST(Quantize, what_cannot_be_asked_for_is_refused_before_anything_is_written) {
  const TemporaryFolder folder;
  const auto file = must(TensorFile::open(short_pycoder_gguf()));
  const auto path = folder.path() / "out.gguf";
  expect_refused(quantize(*file, path, {.type = "tq44"}), ErrorCode::kUsage, "tq44");
  expect_refused(quantize(*file, path, {.type = "tq4", .tensor_types = {{"nothing", "tq44"}}}), ErrorCode::kUsage,
                 "tq44");
  expect_refused(quantize(*file, path, {.type = "tq4", .tensor_types = {{"(", "tq4"}}}), ErrorCode::kUsage, "'('");
  expect_refused(quantize(*file, path, {.type = "tq4", .plain = true}), ErrorCode::kUsage, "no type of GGUF");
  EXPECT_EQ(files_in(folder.path()), 0U);
}

TEST(Quantize, a_stop_leaves_nothing) {
  const TemporaryFolder folder;
  const auto file = must(TensorFile::open(short_pycoder_gguf()));
  for (const std::uint64_t after : {0, 1, 5000000, 10000000}) {
    const Result<QuantizeReport> stopped =
        quantize(*file, folder.path() / "out.gguf", {.type = "tq2"},
                 [&](const QuantizedTensor&, std::uint64_t done, std::uint64_t total) {
                   EXPECT_LE(done, total);
                   return done < after;
                 });
    ASSERT_FALSE(stopped.has_value()) << after;
    EXPECT_EQ(stopped.error().code, ErrorCode::kInterrupted);
    EXPECT_EQ(files_in(folder.path()), 0U) << after;
  }
}

TEST(Quantize, a_nan_or_an_infinity_is_no_weight) {
  const TemporaryFolder folder;
  std::string bytes = contents(short_pycoder_gguf());
  const auto sound = must(TensorFile::from_gguf(bytes_of(bytes), "sound.gguf"));
  const auto offset = static_cast<std::size_t>(sound->find("blk.1.attn_v.weight")->bytes.data() -
                                               reinterpret_cast<const std::byte*>(bytes.data()));
  for (const std::uint16_t half : {std::uint16_t{0x7E00}, std::uint16_t{0xFC00}}) {
    std::memcpy(bytes.data() + offset + 1000, &half, sizeof half);
    const auto file = must(TensorFile::from_gguf(bytes_of(bytes), "bad.gguf"));
    expect_refused(quantize(*file, folder.path() / "out", {.type = "tq4"}), ErrorCode::kBadFile, "blk.1.attn_v.weight");
    EXPECT_EQ(files_in(folder.path()), 0U);
  }
}

TEST(Export, what_was_coded_comes_back_as_a_plain_gguf) {
  const TemporaryFolder folder;
  const auto coded = folder.path() / "coded.gguf", plain = folder.path() / "plain.gguf";
  write(short_pycoder_gguf(), coded, "tq4", {{"token_embd", "tq8"}});
  for (const char* type : {"f16", "q8_0", "q4_0"}) {
    const auto file = must(TensorFile::open(coded));
    must(quantize(*file, plain, {.type = type, .plain = true, .replace = true}));
    const auto exported = must(TensorFile::open(plain));
    for (const auto& [key, value] : exported->metadata().values()) EXPECT_FALSE(key.starts_with("turboquant.")) << key;
    for (const TensorView& tensor : exported->tensors()) {
      EXPECT_EQ(tensor.type, tensor.shape.size() == 1 ? "f32" : type) << tensor.name;
      EXPECT_FALSE(tensor.coding.has_value());
    }
    // f16 rounds each weight by 2^-11 at most, far below what 4 bits had changed; logits are near 10.
    const double difference = largest_difference(logits(load(plain)), logits(load(coded)));
    if (std::string(type) == "f16") EXPECT_LT(difference, 0.3);
    EXPECT_TRUE(std::isfinite(difference));
  }
  EXPECT_TRUE(must(check_file(*must(TensorFile::open(plain)))).problems.empty());
}

TEST(Export, a_coded_tensor_cannot_be_kept) {
  const TemporaryFolder folder;
  const auto coded = folder.path() / "coded.gguf";
  write(short_pycoder_gguf(), coded, "tq4");
  expect_refused(quantize(*must(TensorFile::open(coded)), folder.path() / "plain.gguf",
                          {.type = "f16", .tensor_types = {{"attn_q", "keep"}}, .plain = true}),
                 ErrorCode::kUsage, "no type of GGUF");
}

TEST(Quantize, a_coded_file_can_be_coded_again_or_copied) {
  const TemporaryFolder folder;
  const auto first = folder.path() / "first.gguf", second = folder.path() / "second.gguf",
             third = folder.path() / "third.gguf";
  write(short_pycoder_gguf(), first, "tq8");
  const QuantizeReport copy = write(first, second, "tq8");
  for (const QuantizedTensor& tensor : copy.tensors) EXPECT_EQ(tensor.relative_error, 0) << tensor.name;
  EXPECT_EQ(logits(load(second)), logits(load(first)));
  EXPECT_GT(tensor_of(write(first, third, "tq4"), "blk.0.ffn_up.weight").relative_error, 0.005);
}

/// The groups of every layer of `file`, with invented divergences: those of `dear` cost a thousand times as much.
std::vector<PlanGroup> invented_groups(const TensorFile& file, const std::string& dear) {
  std::vector<PlanGroup> groups;
  for (const QuantizedTensor& tensor : must(plan_quantize(file, {.type = "tt2"})).tensors) {
    if (!tensor.layer_matrix) continue;
    PlanGroup group{.name = tensor.name, .tensors = {tensor.name}, .values = tensor.elements()};
    const double cost = tensor.name.find(dear) == tensor.name.npos ? 1 : 1000;
    for (const auto& [codec, kld] : {std::pair("tt2", 1.0), std::pair("tt3", 0.2), std::pair("tt4", 0.05)})
      group.options.push_back(
          {.codec = codec, .bytes = 1, .kld = cost * kld, .measured = true});  // sizes are found out
    groups.push_back(std::move(group));
  }
  return groups;
}

TEST(SizeTarget, bits_are_met_from_below_by_less_than_a_matrix) {
  const auto file = must(TensorFile::open(short_pycoder_gguf()));
  const std::vector<std::string> codecs = {"tt2", "tt3", "tt4", "tt5", "tq6"};
  double matrices = 0, largest = 0;
  for (const QuantizedTensor& tensor : must(plan_quantize(*file, {})).tensors) {
    if (!tensor.layer_matrix) continue;
    matrices += static_cast<double>(tensor.elements());
    largest = std::max(largest, static_cast<double>(tensor.elements()));
  }
  for (const double bits : {2.04, 2.5, 3.5, 4.9, 5.5, 6.02}) {
    for (const bool measured : {false, true}) {
      const auto groups = measured ? invented_groups(*file, "ffn_down") : std::vector<PlanGroup>{};
      const auto types = must(plan_for_target(*file, {.codecs = codecs, .bits = bits}, {}, groups));
      const double found = must(plan_quantize(*file, {.plan = types})).bpw_linear;
      EXPECT_LE(found, bits);
      const double widest = measured ? 4.03 : 6.03;
      EXPECT_GE(found, std::min(widest, bits) - largest / matrices - 1e-9)
          << "one matrix more by a bit would have fitted";
    }
  }
}

TEST(SizeTarget, a_file_is_never_larger_than_asked_for) {
  const TemporaryFolder folder;
  const auto file = must(TensorFile::open(short_pycoder_gguf()));
  const std::vector<std::string> codecs = {"tt2", "tt3", "tt4"};
  const std::uint64_t smallest = must(plan_quantize(*file, {.type = "tt2"})).output_bytes;
  const std::uint64_t widest = must(plan_quantize(*file, {.type = "tt4"})).output_bytes;
  for (const std::uint64_t more :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{300}, (widest - smallest) / 2, widest - smallest, widest}) {
    for (const bool measured : {false, true}) {
      const auto groups = measured ? invented_groups(*file, "attn_q") : std::vector<PlanGroup>{};
      const auto types = must(plan_for_target(*file, {.codecs = codecs, .file_bytes = smallest + more}, {}, groups));
      EXPECT_LE(must(plan_quantize(*file, {.plan = types})).output_bytes, smallest + more) << more;
      if (more >= widest - smallest) EXPECT_EQ(types.at("blk.1.attn_q.weight"), "tt4");
    }
  }
}

TEST(SizeTarget, what_is_impossible_is_refused_with_the_smallest) {
  const auto file = must(TensorFile::open(short_pycoder_gguf()));
  const std::uint64_t smallest = must(plan_quantize(*file, {.type = "tt3"})).output_bytes;
  const auto too_small = plan_for_target(*file, {.codecs = {"tt3", "tt4"}, .file_bytes = smallest - 1}, {});
  ASSERT_FALSE(too_small.has_value());
  EXPECT_EQ(too_small.error().code, ErrorCode::kUsage);
  EXPECT_NE(too_small.error().message.find(std::to_string(smallest)), std::string::npos) << too_small.error().message;
  const auto too_few = plan_for_target(*file, {.codecs = {"tt3", "tt4"}, .bits = 3.0}, {});
  ASSERT_FALSE(too_few.has_value());
  const std::size_t at = too_few.error().message.rfind("3.0");
  ASSERT_NE(at, std::string::npos) << too_few.error().message;
  must(plan_for_target(*file, {.codecs = {"tt3", "tt4"}, .bits = std::stod(too_few.error().message.substr(at))}, {}));
  EXPECT_FALSE(plan_for_target(*file, {.codecs = {}, .bits = 3.0}, {}).has_value());
  EXPECT_FALSE(plan_for_target(*file, {.codecs = {"tt2.5"}, .bits = 3.0}, {}).has_value())
      << "an average is no candidate";
}

TEST(SizeTarget, rules_for_tensors_count_and_leave_the_rest_less) {
  const auto file = must(TensorFile::open(short_pycoder_gguf()));
  const QuantizeOptions options = {.tensor_types = {{"ffn_down", "tq8"}}};
  const auto types = must(plan_for_target(*file, {.codecs = {"tt2", "tt3", "tt4"}, .bits = 4.0}, options));
  QuantizeOptions planned = options;
  planned.plan = types;
  const QuantizeReport report = must(plan_quantize(*file, planned));
  EXPECT_LE(report.bpw_linear, 4.0);
  EXPECT_EQ(tensor_of(report, "blk.0.ffn_down.weight").type, "tq8");
  EXPECT_EQ(tensor_of(report, "blk.0.attn_q.weight").type, "tt2")
      << "a quarter of the weights has taken half of the bits";
}

TEST(SizeTarget, the_measured_need_decides) {
  const auto file = must(TensorFile::open(short_pycoder_gguf()));
  const auto types = must(plan_for_target(*file, {.bits = 2.5}, {}, invented_groups(*file, "attn_q")));
  EXPECT_EQ(types.at("blk.0.attn_q.weight"), "tt4");
  EXPECT_EQ(types.at("blk.0.ffn_up.weight"), "tt2");
  const auto by_rule = must(plan_for_target(*file, {.codecs = {"tt2", "tt3"}, .bits = 2.5}, {}));
  EXPECT_EQ(by_rule.at("blk.0.attn_v.weight"), "tt3") << "the first in the order of the rule";
  EXPECT_EQ(by_rule.at("blk.1.ffn_up.weight"), "tt2") << "one of the last";
}

/// Means of squares for every input of a layer that differ by orders of magnitude from column to column.
std::shared_ptr<const ImportanceMatrix> invented_importance(const TensorFile& file) {
  auto importance = std::make_shared<ImportanceMatrix>();
  std::map<std::uint64_t, std::vector<float>> of_width;  // matrices that read the same must agree, as measured ones do
  for (const QuantizedTensor& tensor : must(plan_quantize(file, {})).tensors) {
    if (!tensor.layer_matrix) continue;
    std::vector<float>& squares = of_width[tensor.shape.back()];
    if (squares.empty()) {
      for (const float value : gaussian(tensor.shape.back(), 11)) squares.push_back(std::exp(2 * value));
    }
    importance->squares[tensor.name] = squares;
  }
  return importance;
}

std::vector<float> decoded(const TensorFile& file, const std::string& name) {
  const TensorView& tensor = *file.find(name);
  const std::uint64_t columns = tensor.shape.back(), rows = tensor.elements() / columns;
  std::vector<float> values(rows * columns);
  must(make_codec(tensor.coding ? *tensor.coding : must(CodecSpec::parse(tensor.type)), columns))
      ->decode(tensor.bytes.data(), 0, rows, values.data());
  return values;
}

// Columns are stretched by 1/4 to 4, so that an error of nine bits becomes 16 times as large at the most. A factor in
// the wrong row or column would change logits by their own size, a hundred times that error and more.
TEST(Prescale, the_model_stays_what_it_was) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "out.gguf";
  const auto compare = [&](const std::shared_ptr<const TensorFile>& file, const std::string& name) {
    const auto logits = [](const std::shared_ptr<const Model>& model) {
      const auto session = open_session(model, {.context = 64, .threads = 1});
      return logits_of(*session, some_tokens(8, model->config().vocab_size));
    };
    must(quantize(*file, path,
                  {.type = "tq9", .importance = invented_importance(*file), .replace = true, .threads = 2}));
    const std::vector<float> before = logits(must(Model::load(file, {}))), after = logits(load(path));
    const std::vector<float> plain = logits(must(Model::load(file, {.weights = "tq9"})));
    EXPECT_LT(largest_difference(before, after), 16 * largest_difference(before, plain)) << name;
    EXPECT_LT(largest_difference(before, plain), 0.03 * largest_difference(before, std::vector<float>(before.size())))
        << "the bound would be none";
    EXPECT_NE(decoded(*file, "blk.0.attn_norm.weight"),
              decoded(*must(TensorFile::open(path)), "blk.0.attn_norm.weight"));
  };
  compare(must(TensorFile::open(short_pycoder_gguf())), "pycoder");
  for (const char* name : {"llama-linear", "qwen2", "qwen3moe", "phi3", "gpt2"}) {
    const TinyFiles files(name);
    compare(files.gguf, name);
  }
}

// With errors that are the same in every direction of a row, the cost Σ h_j e_ij² of stretched columns is
// (Σ √(h_j V_j))² / (Σ h_j Σ V_j) of that without, V_j = Σ_i w_ij².
TEST(Prescale, the_cost_falls_by_what_theory_says) {
  const TemporaryFolder folder;
  const auto file = must(TensorFile::open(short_pycoder_gguf()));
  const auto importance = invented_importance(*file);
  const std::string name = "blk.0.attn_q.weight", norm = "blk.0.attn_norm.weight";
  const std::vector<float>& squares = importance->squares.at(name);
  const std::vector<float> weights = decoded(*file, name), before = decoded(*file, norm);
  const std::size_t columns = squares.size();
  const auto cost = [&](const std::shared_ptr<const ImportanceMatrix>& used) {
    const auto path = folder.path() / "out.gguf";
    must(quantize(*file, path,
                  {.tensor_types = {{"attn_(q|k|v)", "tt3"}}, .importance = used, .replace = true, .threads = 2}));
    const auto out = must(TensorFile::open(path));
    const std::vector<float> coded = decoded(*out, name), after = decoded(*out, norm);
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const std::size_t j = i % columns;
      const double error = static_cast<double>(coded[i] * after[j] / before[j]) - static_cast<double>(weights[i]);
      sum += static_cast<double>(squares[j]) * error * error;
    }
    return sum;
  };
  double inputs = 0, energies = 0, roots = 0;
  for (std::size_t j = 0; j < columns; ++j) {
    double energy = 0;
    for (const char* reader : {"blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"}) {
      const std::vector<float> values = decoded(*file, reader);
      for (std::size_t i = j; i < values.size(); i += columns)
        energy += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    }
    inputs += static_cast<double>(squares[j]);
    energies += energy;
    roots += std::sqrt(static_cast<double>(squares[j]) * energy);
  }
  const double expected = roots * roots / (inputs * energies), found = cost(importance) / cost(nullptr);
  EXPECT_LT(expected, 0.6) << "the importance was to differ much";
  EXPECT_NEAR(found, expected, 0.15 * expected) << "q alone for the sum over q, k and v, and rows sampled for V";
}

TEST(Prescale, what_it_cannot_use_is_refused) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "out.gguf";
  const auto file = must(TensorFile::open(short_pycoder_gguf()));
  const auto importance = invented_importance(*file);
  const auto refusal = [&](const QuantizeOptions& options) {
    const auto written = quantize(*file, path, options);
    EXPECT_FALSE(written.has_value());
    return written ? Error{} : written.error();
  };
  EXPECT_EQ(refusal({.type = "q4_k", .importance = importance}).code, ErrorCode::kUsage) << "nothing is rotated";
  EXPECT_EQ(refusal({.type = "tt3", .importance = std::make_shared<const ImportanceMatrix>()}).code, ErrorCode::kUsage);
  auto other = std::make_shared<ImportanceMatrix>(*importance);
  other->squares["blk.1.ffn_down.weight"].pop_back();
  const Error wrong = refusal({.type = "tt3", .importance = other});
  EXPECT_EQ(wrong.code, ErrorCode::kBadFile);
  EXPECT_NE(wrong.message.find("blk.1.ffn_down.weight"), std::string::npos) << wrong.message;
  EXPECT_EQ(files_in(folder.path()), 0U);
}

TEST(Prescale, our_own_importance_is_what_the_layers_read) {
  const auto file = must(TensorFile::open(short_pycoder_gguf()));
  CalibrationText text{.tokens = some_tokens(64, 3000), .context = 32};
  const ImportanceMatrix matrix = must(measure_imatrix(*file, text, 2));
  EXPECT_EQ(matrix.tokens, 64U);
  EXPECT_EQ(matrix.squares.size(), 14U) << "seven matrices of each layer";
  // Behind a norm without bias the mean over columns of (x_j / w_j)² is 1 for each token.
  const std::vector<float> norm = decoded(*file, "blk.0.attn_norm.weight");
  const std::vector<float>& squares = matrix.squares.at("blk.0.attn_q.weight");
  double mean = 0;
  for (std::size_t j = 0; j < norm.size(); ++j) mean += static_cast<double>(squares[j] / (norm[j] * norm[j]));
  EXPECT_NEAR(mean / static_cast<double>(norm.size()), 1, 1e-3);
}

// What is done is known by its checksum: a tensor whose bytes are damaged is coded again.
TEST(Resume, goes_on_from_what_is_sound) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "out.gguf";
  const auto part = folder.path() / "out.gguf.part";
  const auto file = must(TensorFile::open(short_pycoder_gguf()));
  QuantizeOptions options{.type = "tt2", .replace = true, .threads = 2};
  must(quantize(*file, path, options));
  const std::string whole = contents(path);
  std::filesystem::remove(path);
  options.resume = true;
  const auto interrupt_at = [&](const char* name) {
    return quantize(*file, path, options,
                    [&](const QuantizedTensor& tensor, std::uint64_t, std::uint64_t) { return tensor.name != name; });
  };
  ASSERT_EQ(interrupt_at("blk.1.attn_q.weight").error().code, ErrorCode::kInterrupted);
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_TRUE(std::filesystem::exists(part));
  {
    std::string damaged = contents(part);
    const auto at = whole.size() / 2;  // in a tensor that is done: the embedding is the first and larger than the rest
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    std::ofstream(part, std::ios::binary) << damaged;
  }
  std::vector<std::string> coded;
  const QuantizeReport report =
      must(quantize(*file, path, options, [&](const QuantizedTensor& tensor, std::uint64_t, std::uint64_t) {
        coded.push_back(tensor.name);
        return true;
      }));
  EXPECT_EQ(contents(path), whole);
  EXPECT_TRUE(std::isnan(tensor_of(report, "blk.0.attn_q.weight").relative_error)) << "was done before";
  EXPECT_FALSE(std::isnan(tensor_of(report, "blk.1.attn_q.weight").relative_error));
  EXPECT_FALSE(std::filesystem::exists(part));
}

TEST(Resume, another_run_is_not_mixed_in) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "out.gguf";
  const auto file = must(TensorFile::open(short_pycoder_gguf()));
  const auto stop = [](const QuantizedTensor& tensor, std::uint64_t, std::uint64_t) {
    return tensor.name != "blk.1.attn_q.weight";
  };
  ASSERT_FALSE(quantize(*file, path, {.type = "tt2", .resume = true, .threads = 2}, stop).has_value());
  const auto importance = invented_importance(*file);
  std::string other_bytes = contents(short_pycoder_gguf());
  const TensorView& changed = *file->find("blk.0.attn_q.weight");
  const auto place = other_bytes.find(std::string(reinterpret_cast<const char*>(changed.bytes.data()), 64));
  ASSERT_NE(place, std::string::npos);
  other_bytes[place] = static_cast<char>(other_bytes[place] ^ 1);
  const auto other_path = folder.path() / "other.gguf";
  std::ofstream(other_path, std::ios::binary) << other_bytes;
  const auto other = must(TensorFile::open(other_path));
  for (const auto& result :
       {quantize(*file, path, {.type = "tt3", .resume = true}), quantize(*other, path, {.type = "tt2", .resume = true}),
        quantize(*file, path, {.type = "tt2", .importance = importance, .resume = true})}) {
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, ErrorCode::kUsage);
    EXPECT_NE(result.error().message.find("another input"), std::string::npos) << result.error().message;
  }
  EXPECT_TRUE(std::filesystem::exists(path.string() + ".part")) << "it may still be wanted";
}

}  // namespace
}  // namespace tq::test
