// GGUF files that are sound.
#include "formats/gguf.h"

#include <array>

#include "formats/ggml_types.h"
#include "formats/refusals.h"

namespace tq::test {
namespace {

File read(const Gguf& file) {
  static std::vector<std::unique_ptr<std::string>> kept;  // the views point into it
  kept.push_back(std::make_unique<std::string>(file.bytes()));
  return must(TensorFile::from_gguf(bytes_of(*kept.back()), "test.gguf"));
}

float float_at(const TensorView& tensor, std::size_t i) {
  float value = 0;
  std::memcpy(&value, tensor.bytes.data() + i * sizeof value, sizeof value);
  return value;
}

TEST(Gguf, both_versions) {
  for (const std::uint32_t version : {2U, 3U}) {
    Gguf source = small_gguf();
    source.version = version;
    const File file = read(source);
    EXPECT_EQ(file->format(), "gguf");
    EXPECT_EQ(file->path(), "test.gguf");
    EXPECT_EQ(file->file_bytes(), source.bytes().size());
    ASSERT_EQ(file->tensors().size(), 2U);
    EXPECT_EQ(file->metadata().string("general.architecture"), "llama");
    EXPECT_EQ(file->find("nothing"), nullptr);
  }
}

TEST(Gguf, shapes_are_turned_so_that_rows_come_first) {
  const File file = read(small_gguf());
  const TensorView* a = file->find("a.weight");
  const TensorView* b = file->find("b.weight");
  ASSERT_TRUE(a != nullptr && b != nullptr);
  EXPECT_EQ(a->shape, (std::vector<std::uint64_t>{2, 8}));
  EXPECT_EQ(a->elements(), 16U);
  EXPECT_EQ(b->shape, (std::vector<std::uint64_t>{8}));
  EXPECT_EQ(float_at(*a, 15), 15.0F);
  EXPECT_EQ(float_at(*b, 0), 16.0F);
}

/// The data may lie in another order than the table.
TEST(Gguf, tensors_in_any_order) {
  Gguf source = small_gguf();
  std::swap(source.tensors[0], source.tensors[1]);
  const File file = read(source);
  EXPECT_EQ(file->tensors()[0].name, "b.weight");
  EXPECT_EQ(float_at(*file->find("a.weight"), 0), 0.0F);
}

/// Sizes of a block as published in ggml's headers (docs/gguf.md of ggml names the ids).
TEST(Gguf, every_type) {
  struct Row {
    std::uint32_t id;
    const char* name;
    std::uint64_t values, bytes;
  };
  constexpr std::array rows = {
      Row{0, "f32", 1, 4},         Row{1, "f16", 1, 2},         Row{2, "q4_0", 32, 18},      Row{3, "q4_1", 32, 20},
      Row{6, "q5_0", 32, 22},      Row{7, "q5_1", 32, 24},      Row{8, "q8_0", 32, 34},      Row{9, "q8_1", 32, 36},
      Row{10, "q2_k", 256, 84},    Row{11, "q3_k", 256, 110},   Row{12, "q4_k", 256, 144},   Row{13, "q5_k", 256, 176},
      Row{14, "q6_k", 256, 210},   Row{15, "q8_k", 256, 292},   Row{16, "iq2_xxs", 256, 66}, Row{17, "iq2_xs", 256, 74},
      Row{18, "iq3_xxs", 256, 98}, Row{19, "iq1_s", 256, 50},   Row{20, "iq4_nl", 32, 18},   Row{21, "iq3_s", 256, 110},
      Row{22, "iq2_s", 256, 82},   Row{23, "iq4_xs", 256, 136}, Row{24, "i8", 1, 1},         Row{25, "i16", 1, 2},
      Row{26, "i32", 1, 4},        Row{27, "i64", 1, 8},        Row{28, "f64", 1, 8},        Row{29, "iq1_m", 256, 56},
      Row{30, "bf16", 1, 2},       Row{34, "tq1_0", 256, 54},   Row{35, "tq2_0", 256, 66},   Row{39, "mxfp4", 32, 17},
      Row{40, "nvfp4", 64, 36},    Row{41, "q1_0", 128, 18},    Row{42, "q2_0", 64, 18}};
  for (const Row& row : rows) {
    Gguf source;
    source.tensors = {{"x", {2 * row.values, 3}, row.id, 0}};
    source.data = std::string(6 * row.bytes, '\0');
    const File file = read(source);
    EXPECT_EQ(file->tensors()[0].type, row.name);
    EXPECT_EQ(file->tensors()[0].bytes.size(), 6 * row.bytes) << row.name;
  }
  std::size_t known = 0;
  for (std::uint32_t id = 0; id < 1000; ++id) known += find_ggml_type(id) != nullptr ? 1 : 0;
  EXPECT_EQ(known, rows.size());
}

TEST(Gguf, every_value_type) {
  Gguf source;
  source.keys = {key<std::uint8_t>("u8", kU8, 255),
                 key<std::int8_t>("i8", kI8, -128),
                 key<std::uint16_t>("u16", kU16, 65535),
                 key<std::int16_t>("i16", kI16, -32768),
                 key<std::uint32_t>("u32", kU32, 4294967295U),
                 key<std::int32_t>("i32", kI32, -2147483647 - 1),
                 key<std::uint64_t>("u64", kU64, 9223372036854775807U),
                 key<std::uint64_t>("u64.max", kU64, UINT64_MAX),
                 key<std::int64_t>("i64", kI64, INT64_MIN),
                 key<float>("f32", kF32, 0.5F),
                 key<double>("f64", kF64, 0.1),
                 key<std::uint8_t>("false", kBool, 0),
                 key<std::uint8_t>("true", kBool, 1),
                 text_key("text", std::string("a\0\xff", 3)),
                 text_key("text.empty", ""),
                 array_key("list.bool", kBool, 2, std::string("\1\0", 2)),
                 array_key("list.f32", kF32, 1, Bytes().add(0.25F).get()),
                 array_key("list.i64", kI64, 1, Bytes().add<std::int64_t>(-5).get()),
                 array_key("list.empty", kText, 0, "")};
  const File file = read(source);
  const Metadata& metadata = file->metadata();
  EXPECT_EQ(metadata.integer("u8"), 255);
  EXPECT_EQ(metadata.integer("i8"), -128);
  EXPECT_EQ(metadata.integer("u16"), 65535);
  EXPECT_EQ(metadata.integer("i16"), -32768);
  EXPECT_EQ(metadata.integer("u32"), 4294967295);
  EXPECT_EQ(metadata.integer("i32"), -2147483648LL);
  EXPECT_EQ(metadata.integer("u64"), INT64_MAX);
  EXPECT_EQ(metadata.integer("u64.max"), std::nullopt);
  EXPECT_EQ(metadata.number("u64.max"), 0x1p64);
  EXPECT_EQ(metadata.integer("i64"), INT64_MIN);
  EXPECT_EQ(metadata.number("f32"), 0.5);
  EXPECT_EQ(metadata.number("f64"), 0.1);
  EXPECT_EQ(metadata.boolean("false"), false);
  EXPECT_EQ(metadata.boolean("true"), true);
  EXPECT_EQ(metadata.string("text"), std::string_view("a\0\xff", 3));
  EXPECT_EQ(metadata.string("text.empty"), "");
  ASSERT_NE(metadata.integers("list.bool"), nullptr);
  EXPECT_EQ(*metadata.integers("list.bool"), (Metadata::Integers{1, 0}));
  EXPECT_EQ(*metadata.numbers("list.f32"), Metadata::Numbers{0.25});
  EXPECT_EQ(*metadata.integers("list.i64"), Metadata::Integers{-5});
  EXPECT_TRUE(metadata.strings("list.empty")->empty());
  EXPECT_EQ(metadata.values().size(), source.keys.size());
}

TEST(Gguf, an_alignment_of_the_file_itself) {
  for (const std::uint32_t alignment : {1U, 8U, 64U, 4096U}) {
    Gguf source = small_gguf();
    source.keys.push_back(key("general.alignment", kU32, alignment));
    source.alignment = alignment;
    source.tensors[1].offset = std::max<std::uint64_t>(64, alignment);
    source.data = std::string(source.tensors[1].offset, '\0') + std::string(32, '\1');
    EXPECT_EQ(read(source)->find("b.weight")->bytes[0], std::byte{1}) << alignment;
  }
}

TEST(Gguf, a_vocabulary_without_tensors) {
  Gguf source = small_gguf();
  source.tensors.clear();
  source.data.clear();
  EXPECT_TRUE(read(source)->tensors().empty());
  source.data = std::string(31, '\0');  // some writers pad an empty table
  EXPECT_TRUE(read(source)->tensors().empty());
}

TEST(Gguf, padding_behind_the_last_tensor) {
  Gguf source = small_gguf();
  source.data += std::string(31, '\0');
  EXPECT_EQ(read(source)->tensors().size(), 2U);
}

TEST(Gguf, one_part_of_one_is_whole) {
  Gguf source = small_gguf();
  source.keys.push_back(key<std::uint16_t>("split.count", kU16, 1));
  EXPECT_EQ(read(source)->tensors().size(), 2U);
}

TEST(Gguf, names_in_any_script) {
  Gguf source = small_gguf();
  source.tensors[0].name = "выход.重み";
  source.tensors[1].name = std::string(63, 'n');
  const File file = read(source);
  EXPECT_NE(file->find("выход.重み"), nullptr);
  EXPECT_NE(file->find(std::string(63, 'n')), nullptr);
}

}  // namespace
}  // namespace tq::test
