#include "compress/tensor_rules.h"

#include <gtest/gtest.h>

#include "support/must.h"

namespace tq::test {
namespace {

TEST(TensorRules, the_last_match_counts) {
  const TensorRules rules =
      must(TensorRules::compile({{"attn", "tq4"}, {"attn_(k|v)", "tq6"}, {R"(^blk\.0\.)", "keep"}}));
  EXPECT_EQ(rules.type_of("blk.1.attn_q.weight"), "tq4");
  EXPECT_EQ(rules.type_of("blk.1.attn_v.weight"), "tq6");
  EXPECT_EQ(rules.type_of("blk.0.attn_v.weight"), "keep");
  EXPECT_EQ(rules.type_of("blk.10.ffn_up.weight"), std::nullopt);
}

TEST(TensorRules, a_pattern_that_is_none_is_refused) {
  for (const char* pattern : {"(", "[a", "*", "\xff"}) {
    const Result<TensorRules> rules = TensorRules::compile({{pattern, "tq4"}});
    ASSERT_FALSE(rules.has_value()) << pattern;
    EXPECT_EQ(rules.error().code, ErrorCode::kUsage);
  }
}

// Without PCRE2's limit this one takes 2^60 steps.
TEST(TensorRules, a_pattern_that_explodes_ends) {
  const TensorRules rules = must(TensorRules::compile({{"(a+)+$", "tq4"}}));
  EXPECT_EQ(rules.type_of(std::string(60, 'a') + "b"), std::nullopt);
}

}  // namespace
}  // namespace tq::test
