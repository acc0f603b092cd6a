#include "formats/coded_tensors.h"

#include <gtest/gtest.h>

#include "support/coded_gguf.h"
#include "support/must.h"

namespace tq::test {
namespace {

Result<std::shared_ptr<const TensorFile>> open(const std::string& bytes) {
  return TensorFile::from_gguf(bytes_of(bytes), "model.gguf");
}

void expect_refused(const CodedGguf& file, const std::string& word) {
  const std::string bytes = file.bytes();
  const auto opened = open(bytes);
  ASSERT_FALSE(opened.has_value()) << word;
  EXPECT_EQ(opened.error().code, ErrorCode::kBadFile);
  EXPECT_TRUE(opened.error().message.starts_with("model.gguf: ")) << opened.error().message;
  EXPECT_NE(opened.error().message.find(word), std::string::npos) << opened.error().message;
}

TEST(Coding, every_codec_is_read_back_with_every_field) {
  for (const std::string& name : codec_names()) {
    CodecSpec spec = must(CodecSpec::parse(name));
    EXPECT_EQ(must(parse_coding(coding_text(spec))), spec) << coding_text(spec);
    spec = spec.with_scale(ScaleRule::kUnbiased).with_layout(Layout::kRows);
    spec.seed = ~std::uint64_t{0};
    spec.wide_scale = true;
    EXPECT_EQ(must(parse_coding(coding_text(spec))), spec) << coding_text(spec);
  }
  const CodecSpec rotated = must(CodecSpec::parse("q4_0")).with_plain_hadamard(64);
  EXPECT_EQ(must(parse_coding(coding_text(rotated))), rotated);
}

TEST(Coding, old_versions_are_read) {
  CodecSpec spec = must(CodecSpec::parse("tt3"));
  for (spec.version = 1; spec.version <= 2; ++spec.version) EXPECT_EQ(must(parse_coding(coding_text(spec))), spec);
  EXPECT_FALSE(parse_coding(coding_text(spec)).has_value()) << "version 3";
}

TEST(Coding, any_other_text_is_refused) {
  const std::string sound = coding_text(must(CodecSpec::parse("tq4")));
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = sound;
    return text.replace(text.find(from), from.size(), to);
  };
  for (const std::string& text :
       {std::string(), std::string("tq4"), sound + " ", sound + " more=1", " " + sound, changed("tq4", "tq44"),
        changed("version=1", "version=2"), changed("version=1", "version=0"), changed("seed=1", "seed=01"),
        changed("seed=1", "seed=-1"), changed("seed=1", "seed=18446744073709551616"), changed("rounds=3", "rounds=17"),
        changed("rounds=3 ", ""), changed("random-hadamard", "random"), changed("random-hadamard", "dense-haar"),
        changed("scale=", "scales="), changed("wide=0", "wide=2"), changed(" rotation", "  rotation"),
        sound + std::string(300, ' ')}) {
    EXPECT_FALSE(parse_coding(text).has_value()) << text;
  }
}

TEST(CodedTensors, a_sound_file_shows_what_was_coded) {
  const std::string bytes = CodedGguf().bytes();
  const auto file = must(open(bytes));
  ASSERT_EQ(file->tensors().size(), 2U);
  const TensorView* coded = file->find("blk.0.a.weight");
  ASSERT_NE(coded, nullptr) << "under its own name";
  EXPECT_EQ(coded->type, "tq4");
  EXPECT_EQ(coded->shape, (std::vector<std::uint64_t>{32, 16}));
  EXPECT_EQ(coded->coding, must(CodecSpec::parse("tq4")));
  EXPECT_EQ(coded->checksum, checksum(coded->bytes));
  const TensorView* plain = file->find("norm.weight");
  ASSERT_NE(plain, nullptr);
  EXPECT_EQ(plain->type, "f32");
  EXPECT_FALSE(plain->coding.has_value());
  EXPECT_EQ(plain->checksum, checksum(plain->bytes));
}

TEST(CodedTensors, a_wrong_version) {
  for (const std::uint32_t version : {0U, 2U, ~0U}) {
    CodedGguf file;
    file.version = version;
    expect_refused(file, "version");
  }
}

TEST(CodedTensors, a_key_that_is_missing_or_of_another_length) {
  for (const char* key :
       {"turboquant.codecs", "turboquant.tensor.names", "turboquant.tensor.codecs", "turboquant.tensor.rows",
        "turboquant.tensor.columns", "turboquant.tensor.checksums", "turboquant.header_checksum"}) {
    CodedGguf file;
    file.left_out = key;
    expect_refused(file, key);
  }
  CodedGguf few, many;
  few.sums.pop_back();
  expect_refused(few, "turboquant.tensor.checksums");
  many.rows.push_back(0);
  expect_refused(many, "turboquant.tensor.rows");
  many = {};
  many.names.push_back("another");
  expect_refused(many, "turboquant.tensor.names");
}

TEST(CodedTensors, a_tensor_that_is_missing_or_another_one) {
  CodedGguf missing;
  missing.tensors = {{"norm.weight", {8}, 0, 0}};
  missing.payload = missing.payload.substr(320);
  expect_refused(missing, "missing");
  CodedGguf renamed;
  renamed.tensors[0].name = "blk.0.b.weight.tqw";
  expect_refused(renamed, "blk.0.a.weight");
  CodedGguf bare;
  bare.tensors[0].name = "blk.0.a.weight";
  expect_refused(bare, "blk.0.a.weight.tqw");
  CodedGguf nameless;
  nameless.names[0] = "";
  nameless.tensors[0].name = ".tqw";
  expect_refused(nameless, "empty name");
  CodedGguf swapped;
  std::swap(swapped.names[0], swapped.names[1]);
  expect_refused(swapped, "stands where");
}

TEST(CodedTensors, an_unknown_codec) {
  CodedGguf unknown, newer, beyond;
  unknown.codecs[0] = "zz4" + unknown.codecs[0].substr(3);
  expect_refused(unknown, "zz4");
  newer.codecs[0].back() = '2';
  expect_refused(newer, "newer");
  for (const std::int64_t index : {std::int64_t{1}, std::numeric_limits<std::int64_t>::max()}) {
    beyond.indices[0] = index;
    expect_refused(beyond, "codec");
  }
}

TEST(CodedTensors, a_shape_that_the_bytes_cannot_hold) {
  for (const std::int64_t rows : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{161}, std::int64_t{1} << 62,
                                  std::numeric_limits<std::int64_t>::min()}) {
    CodedGguf file;
    file.rows[0] = rows;
    expect_refused(file, "cannot hold");
    file = {};
    file.columns[0] = rows == 161 ? 81 : rows;
    expect_refused(file, "cannot hold");
  }
}

TEST(CodedTensors, a_payload_of_another_type) {
  CodedGguf file;
  file.tensors[0] = {"blk.0.a.weight.tqw", {80, 1}, 0, 0};  // the same bytes as f32
  expect_refused(file, "f32");
}

TEST(CodedTensors, a_row_whose_rotation_would_need_gigabytes) {
  CodedGguf file;
  constexpr std::int64_t kOdd = 100003;
  file.columns[0] = kOdd;
  file.rows[0] = 1;
  file.tensors[0].dims = {12544, 1};
  file.tensors[1].offset = 12544;
  file.payload = std::string(12544, '\1') + counted_floats(8);
  expect_refused(file, "rotation");
}

TEST(CodedTensors, checksums_that_are_none) {
  for (const std::string& text : {std::string(), std::string(16, 'g'), std::string(15, '0'), std::string(17, '0'),
                                  std::string("0123456789ABCDEF"), std::string("+123456789abcdef")}) {
    CodedGguf file;
    file.sums[0] = text;
    expect_refused(file, "checksum");
  }
}

// XXH3 changes with any one bit; the padding behind the table is no part of the header.
TEST(CodedTensors, no_flipped_bit_of_the_header_goes_unnoticed) {
  const CodedGguf file;
  const std::string sound = file.bytes();
  ASSERT_TRUE(open(sound).has_value());
  for (std::size_t i = 0; i < file.header_bytes(); ++i) {
    for (const int bit : {1, 2, 16, 128}) {
      std::string damaged = sound;
      damaged[i] = static_cast<char>(damaged[i] ^ bit);
      EXPECT_FALSE(open(damaged).has_value()) << "byte " << i;
    }
  }
}

TEST(CodedTensors, a_header_with_another_checksum) {
  CodedGguf file;
  file.right_header_sum = false;
  expect_refused(file, "its header has the checksum");
}

TEST(Checksum, is_xxh3_as_others_compute_it) {
  // xxhsum -H3 of no bytes and of "abc" (xxHash 0.8).
  EXPECT_EQ(checksum_text(checksum({})), "2d06800538d394c2");
  EXPECT_EQ(checksum_text(checksum(bytes_of(std::string("abc")))), "78af5f94892f3950");
  Checksum parts;
  parts.add(bytes_of(std::string("a")));
  parts.add(bytes_of(std::string("bc")));
  EXPECT_EQ(parts.value(), checksum(bytes_of(std::string("abc"))));
}

}  // namespace
}  // namespace tq::test
