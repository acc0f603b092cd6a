// Calibrated files: what a text changes, and what it must not change.
#include <algorithm>
#include <cmath>

#include "support/models.h"
#include "support/small_llama.h"
#include "support/temporary_folder.h"
#include "turboquant/quantize.h"

namespace tq::test {
namespace {

struct Written {
  QuantizeReport report;
  std::string bytes;
};

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<CalibrationText> text(std::size_t windows = 6) {
  auto made = std::make_shared<CalibrationText>();
  made->context = 16;
  made->tokens = some_tokens(windows * made->context, kSmallVocabulary, 7);
  return made;
}

class Calibrate : public testing::Test {
 protected:
  Calibrate() : model_(folder_.write("small.bin", small_llama())) {}

  Written write(const QuantizeOptions& options) const {
    const auto path = folder_.path() / "out.gguf";
    std::filesystem::remove(path);
    QuantizeReport report = must(quantize(*must(TensorFile::open(model_)), path, options));
    return {std::move(report), contents(path)};
  }

  TemporaryFolder folder_;
  std::filesystem::path model_;
};

/// ‖(W − Ŵ) X‖² / ‖W X‖² over all matrices that were calibrated.
double mean_output_error(const QuantizeReport& report) {
  double sum = 0;
  std::size_t count = 0;
  for (const QuantizedTensor& tensor : report.tensors) {
    if (!std::isfinite(tensor.output_error)) continue;
    sum += tensor.output_error;
    ++count;
  }
  return sum / static_cast<double>(count);
}

double mean_weight_error(const QuantizeReport& report) {
  double sum = 0;
  std::size_t count = 0;
  for (const QuantizedTensor& tensor : report.tensors) {
    if (!tensor.layer_matrix) continue;
    sum += tensor.relative_error;
    ++count;
  }
  return sum / static_cast<double>(count);
}

// Uncalibrated codes have errors of no direction, so that their share of the output is that of the weights.
TEST_F(Calibrate, the_outputs_suffer_less_than_the_weights) {
  for (const char* type : {"tq3", "tt2"}) {
    const QuantizeReport report = write({.type = type, .calibration = text(), .threads = 1}).report;
    const QuantizeReport plain = write({.type = type, .threads = 1}).report;
    EXPECT_LT(mean_output_error(report), 0.8 * mean_weight_error(plain)) << type;
    EXPECT_GE(mean_weight_error(report), mean_weight_error(plain)) << type << ": what feedback pays with";
    EXPECT_TRUE(std::isnan(mean_output_error(plain)));
    for (std::size_t i = 0; i < report.tensors.size(); ++i)
      EXPECT_EQ(report.tensors[i].output_bytes, plain.tensors[i].output_bytes) << report.tensors[i].name;
  }
}

TEST_F(Calibrate, threads_change_no_byte) {
  const std::string alone = write({.type = "tt3", .calibration = text(), .threads = 1}).bytes;
  EXPECT_TRUE(write({.type = "tt3", .calibration = text(), .threads = 3}).bytes == alone);
}

TEST_F(Calibrate, the_memory_changes_passes_and_no_byte) {
  auto little = text();
  little->memory = 1;
  std::vector<std::size_t> begins;
  little->progress = [&](std::size_t layer, std::uint64_t done, std::uint64_t total) {
    if (done == total) begins.push_back(layer);
    return true;
  };
  EXPECT_TRUE(write({.type = "tq4", .calibration = little, .threads = 1}).bytes ==
              write({.type = "tq4", .calibration = text(), .threads = 1}).bytes);
  ASSERT_GE(begins.size(), 2U);
  EXPECT_EQ(begins[0], 0U);
  EXPECT_EQ(begins[1], 1U);
}

TEST_F(Calibrate, the_file_is_one_that_every_command_takes) {
  write({.type = "tt4", .calibration = text(), .threads = 1});
  const auto coded = load(folder_.path() / "out.gguf");
  EXPECT_EQ(coded->weights_name(), "tt4");
  const auto tokens = some_tokens(16, kSmallVocabulary);
  const auto exact = open_session(load(model_), {.context = 32}), session = open_session(coded, {.context = 32});
  EXPECT_LT(largest_difference(logits_of(*exact, tokens), logits_of(*session, tokens)), 2);
}

TEST_F(Calibrate, codecs_without_feedback_are_written_as_without_a_text) {
  EXPECT_TRUE(write({.type = "q8_0", .calibration = text(), .threads = 1}).bytes ==
              write({.type = "q8_0", .threads = 1}).bytes);
}

TEST_F(Calibrate, a_text_that_cannot_be_used_is_refused) {
  const auto file = must(TensorFile::open(model_));
  const auto error = [&](const std::shared_ptr<CalibrationText>& given) {
    const auto result =
        quantize(*file, folder_.path() / "refused.gguf", {.type = "tq4", .calibration = given, .threads = 1});
    EXPECT_FALSE(std::filesystem::exists(folder_.path() / "refused.gguf"));
    return result ? Error{} : result.error();
  };
  EXPECT_EQ(error(text(0)).code, ErrorCode::kUsage);
  auto foreign = text();
  foreign->tokens.back() = kSmallVocabulary;
  EXPECT_EQ(error(foreign).code, ErrorCode::kUsage);
  EXPECT_NE(error(foreign).message.find("24"), std::string::npos);
  auto stopped = text();
  stopped->progress = [](std::size_t, std::uint64_t, std::uint64_t) { return false; };
  EXPECT_EQ(error(stopped).code, ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace tq::test
