#include <gtest/gtest.h>

#include <cstdint>

#include "turboquant/tensor_file.h"

namespace tq::test {
namespace {

Metadata one_of_each() {
  Metadata metadata;
  metadata.set("bool", true);
  metadata.set("integer", std::int64_t{-3});
  metadata.set("big", std::uint64_t{1} << 63);
  metadata.set("small unsigned", std::uint64_t{7});
  metadata.set("number", 0.5);
  metadata.set("string", std::string("text"));
  metadata.set("strings", Metadata::Strings{"a"});
  metadata.set("integers", Metadata::Integers{1});
  metadata.set("numbers", Metadata::Numbers{1.5});
  return metadata;
}

TEST(Metadata, each_kind_is_read_as_itself_and_absent_as_the_others) {
  const Metadata metadata = one_of_each();
  for (const auto& [key, value] : metadata.values()) {
    EXPECT_EQ(metadata.boolean(key).has_value(), key == "bool") << key;
    EXPECT_EQ(metadata.integer(key).has_value(), key == "integer" || key == "small unsigned") << key;
    EXPECT_EQ(metadata.number(key).has_value(),
              key == "number" || key == "integer" || key == "big" || key == "small unsigned")
        << key;
    EXPECT_EQ(metadata.string(key).has_value(), key == "string") << key;
    EXPECT_EQ(metadata.strings(key) != nullptr, key == "strings") << key;
    EXPECT_EQ(metadata.integers(key) != nullptr, key == "integers") << key;
    EXPECT_EQ(metadata.numbers(key) != nullptr, key == "numbers") << key;
  }
  EXPECT_EQ(metadata.integer("small unsigned"), 7);
  EXPECT_EQ(metadata.number("big"), 0x1p63);
  EXPECT_EQ(metadata.number("integer"), -3.0);
}

TEST(Metadata, what_is_absent) {
  const Metadata metadata = one_of_each();
  EXPECT_FALSE(metadata.has("nothing"));
  EXPECT_EQ(metadata.find("nothing"), nullptr);
  EXPECT_EQ(metadata.integer("nothing"), std::nullopt);
  EXPECT_EQ(metadata.strings("nothing"), nullptr);
}

TEST(Metadata, setting_again_replaces) {
  Metadata metadata;
  metadata.set("k", std::int64_t{1});
  metadata.set("k", std::string("two"));
  EXPECT_EQ(metadata.integer("k"), std::nullopt);
  EXPECT_EQ(metadata.string("k"), "two");
}

}  // namespace
}  // namespace tq::test
