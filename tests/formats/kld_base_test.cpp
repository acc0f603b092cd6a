// The base file of llama-perplexity: every field that can lie, and what 16 bits keep of a distribution.
#include "formats/kld_base.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>

#include "support/model_bytes.h"
#include "support/must.h"
#include "support/temporary_folder.h"

namespace tq {
namespace {

constexpr std::size_t kContext = 6, kVocab = 5, kWindows = 2;  // positions 3 and 4 of each window

/// The file as its layout says, field by field.
std::string sound(std::uint32_t context = kContext, std::int32_t vocab = kVocab, std::int32_t windows = kWindows) {
  test::Bytes bytes;
  bytes.add("_logits_").add(context).add(vocab).add(windows);
  for (std::size_t i = 0; i < kContext * kWindows; ++i) bytes.add(static_cast<std::int32_t>(i % kVocab));
  for (std::size_t i = 0; i < 2 * kWindows; ++i) {
    bytes.add(0.0001F).add(-6.6F);
    for (std::size_t v = 0; v < kVocab + 1; ++v) bytes.add(static_cast<std::uint16_t>(1000 * i + v));
  }
  return bytes.get();
}

Result<KldBase> parse(const std::string& bytes) { return KldBase::parse(test::bytes_of(bytes), "base.kld"); }

TEST(KldBase, every_field_stands_where_the_layout_says) {
  const std::string bytes = sound();
  const KldBase base = test::must(parse(bytes));
  EXPECT_EQ(base.shape().context, kContext);
  EXPECT_EQ(base.shape().vocab_size, kVocab);
  EXPECT_EQ(base.shape().windows, kWindows);
  EXPECT_EQ(base.shape().row_values(), 10U) << "an odd vocabulary has one code more";
  EXPECT_EQ(base.tokens()[7], 2);
  std::vector<float> logs(kVocab);
  test::must(base.read(1, 1, logs));
  for (std::size_t v = 0; v < kVocab; ++v)
    EXPECT_EQ(logs[v], -6.6F + 0.0001F * static_cast<float>(3000 + v)) << "the fourth row";
}

TEST(KldBase, a_file_that_is_not_as_long_as_its_header_says_is_refused) {
  const auto refused = [](const std::string& bytes, const char* words) {
    const Result<KldBase> base = parse(bytes);
    ASSERT_FALSE(base.has_value()) << words;
    EXPECT_EQ(base.error().code, ErrorCode::kBadFile);
    EXPECT_TRUE(base.error().message.starts_with("base.kld: ")) << base.error().message;
    EXPECT_NE(base.error().message.find(words), std::string::npos) << base.error().message;
  };
  const std::string whole = sound();
  for (std::size_t length = 0; length < whole.size(); ++length)
    refused(whole.substr(0, length), length < 8 ? "does not begin" : "ends within");
  refused(whole + "x", "1 bytes follow");
  refused("_logitz_" + whole.substr(8), "does not begin");
  refused(sound(2), "scores none");
  refused(sound(1U << 31), "too long");
  refused(sound(kContext, 0), "less than 1");
  refused(sound(kContext, kVocab, -1), "less than 1");
  refused(sound(kContext, 0x7FFFFFFF), "ends within");
  refused(sound(1U << 30, 0x7FFFFFFF, 0x7FFFFFFF), "ends within");  // sizes must not wrap
  refused(sound(kContext, 4), "");
  std::string foreign = whole;
  foreign[20] = 9;
  refused(foreign, "token 9 is not in its vocabulary");
}

TEST(KldBase, numbers_that_no_distribution_has_are_refused_where_they_are_read) {
  const std::size_t row = 20 + 4 * kContext * kWindows;
  const std::pair<float, float> bad[] = {{std::nanf(""), -1.0F}, {-1e-4F, -1.0F},   {1e-4F, std::nanf("")},
                                         {1e-4F, -1e30F},        {INFINITY, -1.0F}, {1e-4F, 0.0F},
                                         {0.0F, 1.0F},           {0.0F, -INFINITY}};
  for (const auto& [step, floor] : bad) {
    std::string bytes = sound();
    std::memcpy(bytes.data() + row, &step, 4);
    std::memcpy(bytes.data() + row + 4, &floor, 4);
    const KldBase base = test::must(parse(bytes));
    std::vector<float> logs(kVocab);
    const Result<void> read = base.read(0, 0, logs);
    ASSERT_FALSE(read.has_value()) << step << " " << floor;
    EXPECT_EQ(read.error().code, ErrorCode::kBadFile);
    EXPECT_TRUE(base.read(0, 1, logs).has_value());
  }
}

TEST(KldBaseWriter, ln_p_comes_back_within_half_a_step_and_the_unlikely_is_one_floor) {
  const test::TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "base.kld";
  const std::vector<std::int32_t> tokens(kContext * kWindows, 1);
  KldBaseWriter writer = test::must(KldBaseWriter::create(path, {kContext, kVocab, kWindows}, tokens));
  const std::vector<float> logits = {3.0F, -1.0F, 2.5F, -40.0F, 0.125F};
  for (std::size_t i = 0; i < 2 * kWindows; ++i) test::must(writer.add(logits));
  EXPECT_FALSE(std::filesystem::exists(path)) << "it appears when it is complete";
  test::must(writer.commit());
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const KldBase base = test::must(parse(bytes));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  std::vector<float> logs(kVocab);
  test::must(base.read(1, 0, logs));
  // Half of 16/65535, and the rounding of a float near 16.
  for (const std::size_t v : {0U, 1U, 2U, 4U})
    EXPECT_NEAR(logs[v], static_cast<double>(logits[v]) - std::log(sum), 8.0 / 65535 + 4e-6) << v;
  EXPECT_NEAR(logs[3], 3 - 16 - std::log(sum), 4e-6);
  EXPECT_EQ(writer.add(std::vector<float>{0, 0, NAN, 0, 0}).error().code, ErrorCode::kFailed);
}

TEST(KldBaseWriter, equal_logits_have_no_step) {
  const test::TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "base.kld";
  KldBaseWriter writer = test::must(KldBaseWriter::create(path, {3, 2, 1}, std::vector<std::int32_t>(3, 0)));
  test::must(writer.add(std::vector<float>{7, 7}));
  test::must(writer.commit());
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<float> logs(2);
  test::must(test::must(parse(bytes)).read(0, 0, logs));
  EXPECT_NEAR(logs[0], std::log(0.5), 1e-6);
  EXPECT_EQ(logs[0], logs[1]);
}

}  // namespace
}  // namespace tq
