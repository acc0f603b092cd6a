#include <gtest/gtest.h>

#include <set>

#include "turboquant/codec.h"

namespace tq {
namespace {

TEST(CodecSpec, every_name_of_the_table_reads_back) {
  std::set<std::string> seen;
  for (const std::string& name : codec_names()) {
    EXPECT_TRUE(seen.insert(name).second) << name << " is listed twice";
    const Result<CodecSpec> spec = CodecSpec::parse(name);
    ASSERT_TRUE(spec.has_value()) << name;
    EXPECT_EQ(spec->name(), name);
  }
  for (const char* name : {"f32", "f16", "bf16", "q8_0", "q4_0", "tq2", "tq9"}) EXPECT_TRUE(seen.contains(name)) << name;
}

TEST(CodecSpec, an_unknown_name_is_a_usage_error_that_suggests_the_nearest) {
  for (const auto& [wrong, near] : {std::pair{"tq10", "tq1"}, {"q8", "q8_0"}, {"fp16", "f16"}, {"", "f32"}}) {
    const Result<CodecSpec> spec = CodecSpec::parse(wrong);
    ASSERT_FALSE(spec.has_value()) << wrong;
    EXPECT_EQ(spec.error().code, ErrorCode::kUsage);
    EXPECT_NE(spec.error().message.find(std::string("did you mean '") + near), std::string::npos) << spec.error().message;
  }
}

TEST(CodecSpec, a_name_of_a_megabyte_is_cut_in_the_message) {
  const Result<CodecSpec> spec = CodecSpec::parse(std::string(1U << 20, 'q'));
  ASSERT_FALSE(spec.has_value());
  EXPECT_LT(spec.error().message.size(), 500U);
}

TEST(CodecSpec, lengths_that_a_codec_cannot_code_are_usage_errors) {
  for (const auto& [name, dim] : {std::pair{"q8_0", 33UL}, {"q4_0", 8UL}, {"iq4_nl", 16UL}, {"q4_k", 128UL}, {"affine4", 96UL}, {"tq4", 0UL}, {"f32", 1UL << 40}}) {
    const auto codec = make_codec(CodecSpec::parse(name).value(), dim);
    ASSERT_FALSE(codec.has_value()) << name << " " << dim;
    EXPECT_EQ(codec.error().code, ErrorCode::kUsage);
  }
}

TEST(CodecSpec, a_width_outside_the_family_is_refused) {
  CodecSpec spec = CodecSpec::parse("tq4").value();
  spec.bits = 12;
  EXPECT_FALSE(make_codec(spec, 64).has_value());
}

}  // namespace
}  // namespace tq
