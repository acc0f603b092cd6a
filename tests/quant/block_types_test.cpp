// The block types of GGUF and affine rounding against the published definition of their layouts, written a second time here: value by
// value, from the place of each bit.
#include <gtest/gtest.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "quant/run_rows.h"
#include "support/random_rows.h"
#include "turboquant/codec.h"

namespace tq {
namespace {

std::shared_ptr<const Codec> codec_of(const std::string& name, std::size_t dim) {
  return make_codec(CodecSpec::parse(name).value(), dim).value();
}

std::vector<std::byte> encode(const Codec& codec, const std::vector<float>& rows) {
  const std::size_t n = rows.size() / codec.dim();
  std::vector<std::byte> coded(codec.storage_bytes(n));
  Workspace scratch;
  for (std::size_t r = 0; r < n; ++r) codec.encode(rows.data() + r * codec.dim(), coded.data(), r, scratch);
  return coded;
}

std::vector<float> decode(const Codec& codec, const std::vector<std::byte>& coded) {
  const std::size_t n = coded.size() / codec.group_bytes();
  std::vector<float> rows(n * codec.dim());
  codec.decode(coded.data(), 0, n, rows.data());
  return rows;
}

/// Values of a block, as GGUF counts them.
std::size_t block_values(const std::string& name) { return name.starts_with("affine") ? 64 : name.ends_with("_k") ? 256 : 32; }

// ---- the definition

struct Reader {
  const std::byte* bytes;

  int u8(std::size_t at) const { return std::to_integer<int>(bytes[at]); }
  int bits(std::size_t at, std::size_t down, int count) const { return (u8(at) >> down) % (1 << count); }
  int i8(std::size_t at) const { return u8(at) < 128 ? u8(at) : u8(at) - 256; }
  float half(std::size_t at) const {
    const int word = u8(at) + 256 * u8(at + 1), exponent = word / 1024 % 32, fraction = word % 1024;
    float magnitude = std::ldexp(static_cast<float>(exponent == 0 ? fraction : 1024 + fraction), std::max(exponent, 1) - 25);
    if (exponent == 31) magnitude = fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
    return word < 32768 ? magnitude : -magnitude;
  }
};

/// Scale and minimum of run k of q4_k and q5_k.
std::pair<int, int> six_bit_pair(const Reader& b, std::size_t k) {
  if (k < 4) return {b.bits(4 + k, 0, 6), b.bits(8 + k, 0, 6)};
  return {b.bits(8 + k, 0, 4) + 16 * b.bits(k, 6, 2), b.bits(8 + k, 4, 4) + 16 * b.bits(4 + k, 6, 2)};
}

/// Value i of a block of 32.
float small_value(const std::string& name, const Reader& b, std::size_t i) {
  const auto nibble = [&](std::size_t at) { return b.bits(at + i % 16, i / 16 * 4, 4); };
  const auto fifth = [&](std::size_t at) { return 16 * b.bits(at + i / 8, i % 8, 1); };
  if (name == "q8_0") return b.half(0) * static_cast<float>(b.i8(2 + i));
  if (name == "q4_0") return b.half(0) * static_cast<float>(nibble(2) - 8);
  if (name == "q4_1") return b.half(0) * static_cast<float>(nibble(4)) + b.half(2);
  if (name == "q5_0") return b.half(0) * static_cast<float>(nibble(6) + fifth(2) - 16);
  if (name == "q5_1") return b.half(0) * static_cast<float>(nibble(8) + fifth(4)) + b.half(2);
  if (name == "iq4_nl") {
    constexpr int kValues[] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    return b.half(0) * static_cast<float>(kValues[nibble(2)]);
  }
  EXPECT_EQ(name, "mxfp4");
  // E2M1: sign, exponent with bias 1, one bit of fraction; the scale is 2^(e − 127).
  const int code = nibble(1) % 8, sign = nibble(1) < 8 ? 1 : -1;
  const int halves = code < 2 ? code : (2 + code % 2) << (code / 2 - 1);
  return std::ldexp(static_cast<float>(sign * halves), b.u8(0) - 128);
}

/// Value i of a super-block.
float large_value(const std::string& name, const Reader& b, std::size_t i) {
  const std::size_t half = i / 128, quarter = i % 128 / 32, byte = i % 32, k = i / 16;
  int code = 0, scale = 0, minimum = 0;
  std::size_t unit_at = 0;
  if (name == "q2_k") {
    unit_at = 80;
    code = b.bits(16 + 32 * half + byte, 2 * quarter, 2);
    scale = b.bits(k, 0, 4);
    minimum = b.bits(k, 4, 4);
  } else if (name == "q3_k") {
    unit_at = 108;
    code = b.bits(32 + 32 * half + byte, 2 * quarter, 2) + 4 * b.bits(byte, i / 32, 1) - 4;
    scale = b.bits(96 + k % 8, k / 8 * 4, 4) + 16 * b.bits(104 + k % 4, k / 4 * 2, 2) - 32;
  } else if (name == "q6_k") {
    unit_at = 208;
    code = b.bits(64 * half + i % 64, i % 128 / 64 * 4, 4) + 16 * b.bits(128 + 32 * half + byte, 2 * quarter, 2) - 32;
    scale = b.i8(192 + k);
  } else {
    const bool five = name == "q5_k";
    std::tie(scale, minimum) = six_bit_pair(b, i / 32);
    code = b.bits((five ? 48 : 16) + i / 64 * 32 + byte, i % 64 / 32 * 4, 4) + (five ? 16 * b.bits(16 + byte, i / 32, 1) : 0);
  }
  const float product = b.half(unit_at) * static_cast<float>(scale) * static_cast<float>(code);
  return name == "q3_k" || name == "q6_k" ? product : product - b.half(unit_at + 2) * static_cast<float>(minimum);
}

float defined_value(const std::string& name, const std::byte* block, std::size_t i) {
  const Reader b{block};
  if (name.ends_with("_k")) return large_value(name, b, i);
  if (!name.starts_with("affine")) return small_value(name, b, i);
  int code = 0;
  const auto width = static_cast<std::size_t>(name.back() - '0');
  for (std::size_t bit = 0; bit < width; ++bit) code += b.bits(4 + (i * width + bit) / 8, (i * width + bit) % 8, 1) << bit;
  return b.half(0) * static_cast<float>(code) + b.half(2);
}

const std::vector<std::string> kNames = {"q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl",
                                         "mxfp4", "affine2", "affine3", "affine4", "affine5", "affine6", "affine7", "affine8"};

TEST(BlockTypes, any_bytes_decode_bit_for_bit_as_the_definition_says) {
  for (const std::string& name : kNames) {
    const std::size_t values = block_values(name);
    const auto codec = codec_of(name, 3 * values);
    std::uint64_t state = 31;
    std::vector<std::byte> coded(200 * codec->group_bytes());
    for (std::byte& b : coded) b = static_cast<std::byte>(next_random(state) >> 32);
    const std::vector<float> decoded = decode(*codec, coded);
    const std::size_t block_bytes = codec->group_bytes() / 3;
    for (std::size_t i = 0; i < decoded.size(); ++i) {
      const float expected = defined_value(name, coded.data() + i / values * block_bytes, i % values);
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(decoded[i])) << name << " value " << i;
      } else {
        ASSERT_EQ(decoded[i], expected) << name << " value " << i;
      }
    }
  }
}

// ---- blocks that can be checked by hand

/// Bytes that are not 0 of a block, and some of its values. 0x3C00 is 1 as a half, 0x3800 is ½, 0x4000 is 2, 0xBC00 is −1.
struct Sample {
  const char* name;
  std::vector<std::pair<std::size_t, int>> bytes;
  std::vector<std::pair<std::size_t, float>> values;
};

TEST(BlockTypes, blocks_made_by_hand_decode_to_the_values_they_were_made_for) {
  const Sample kSamples[] = {
      {"q8_0", {{1, 0x3C}, {2, 0x7F}, {33, 0x80}}, {{0, 127}, {1, 0}, {31, -128}}},
      {"q4_0", {{1, 0x38}, {2, 0xF0}, {3, 0x80}}, {{0, -4}, {16, 3.5}, {1, -4}, {17, 0}}},
      {"q4_1", {{1, 0x38}, {3, 0xBC}, {4, 0xA3}, {19, 0x0F}}, {{0, 0.5}, {16, 4}, {15, 6.5}, {31, -1}}},
      {"q5_0", {{1, 0x3C}, {2, 0x01}, {4, 0x01}, {6, 0x21}, {7, 0x21}}, {{0, 1}, {16, 2}, {1, -15}, {17, -14}}},
      {"q5_1", {{1, 0x3C}, {3, 0x40}, {5, 0x80}, {7, 0x80}, {23, 0x5A}}, {{0, 2}, {15, 28}, {31, 23}}},
      {"iq4_nl", {{1, 0x3C}, {2, 0xF0}, {3, 0x78}}, {{0, -127}, {16, 113}, {1, 1}, {17, -10}}},
      {"mxfp4", {{0, 128}, {1, 0x7F}, {2, 0x91}}, {{0, -12}, {16, 12}, {1, 1}, {17, -1}, {2, 0}}},
      // Runs of 16. Byte 16 carries values 0, 32, 64 and 96, of runs 0, 2, 4 and 6; byte 79 ends with value 255, of run 15.
      {"q2_k",
       {{0, 0x21}, {2, 0x03}, {4, 0x10}, {6, 0xFF}, {15, 0x02}, {16, 0xE4}, {79, 0x40}, {81, 0x3C}, {83, 0x38}},
       {{0, -1}, {32, 3}, {64, -0.5}, {96, 37.5}, {255, 2}, {223, 0}}},
      // Run 0 has scale 0 − 32, run 2 5 + 2·16 − 32, run 15 1 + 3·16 − 32. A clear high bit takes 4 from the code.
      {"q3_k",
       {{0, 0x01}, {31, 0x80}, {32, 0x03}, {95, 0x40}, {98, 0x05}, {103, 0x10}, {106, 0x02}, {107, 0xC0}, {109, 0x3C}},
       {{0, -96}, {1, 128}, {32, -20}, {255, 17}}},
      // Runs of 32: run 0 has scale 3 and minimum 2, run 4 5 + 16 and 6 + 2·16, run 5 7 and 0.
      {"q4_k",
       {{1, 0x3C}, {3, 0x38}, {4, 0x43}, {8, 0x82}, {12, 0x65}, {13, 0x07}, {16, 0x0F}, {80, 0x32}},
       {{0, 44}, {1, -1}, {32, 0}, {128, 23}, {160, 21}}},
      {"q5_k",
       {{1, 0x3C}, {3, 0x38}, {4, 0x43}, {8, 0x82}, {12, 0x65}, {13, 0x07}, {16, 0x11}, {48, 0x0F}, {112, 0x32}},
       {{0, 92}, {1, -1}, {32, 0}, {128, 359}, {160, 21}}},
      {"q6_k",
       {{0, 0x0F}, {127, 0x10}, {128, 0x03}, {191, 0x80}, {192, 0xFF}, {196, 0x02}, {207, 0x7F}, {209, 0x38}},
       {{0, -15.5}, {1, 16}, {64, -32}, {255, 63.5}}},
      {"affine4", {{1, 0x38}, {3, 0xBC}, {4, 0xA3}, {35, 0xF0}}, {{0, 0.5}, {1, 4}, {62, -1}, {63, 6.5}}},
      // 5, 3, 6 and 0 in three bits each are 0x19D.
      {"affine3", {{1, 0x3C}, {4, 0x9D}, {5, 0x01}, {27, 0xE0}}, {{0, 5}, {1, 3}, {2, 6}, {3, 0}, {62, 0}, {63, 7}}},
  };
  for (const Sample& sample : kSamples) {
    const auto codec = codec_of(sample.name, block_values(sample.name));
    std::vector<std::byte> block(codec->group_bytes());
    for (const auto& [at, byte] : sample.bytes) block.at(at) = static_cast<std::byte>(byte);
    const std::vector<float> decoded = decode(*codec, block);
    for (const auto& [i, expected] : sample.values) EXPECT_EQ(decoded.at(i), expected) << sample.name << " value " << i;
  }
}

std::string hexadecimal(const std::vector<std::byte>& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte b : bytes) {
    text += kDigits[std::to_integer<unsigned>(b) / 16];
    text += kDigits[std::to_integer<unsigned>(b) % 16];
  }
  return text;
}

// The bytes that ggml's reference rounding gives for these 64 values.
TEST(BlockTypes, plain_types_round_as_ggml_does) {
  std::vector<float> x(64);
  for (std::size_t i = 0; i < 32; ++i) {
    x[i] = (static_cast<float>((i * 37 + 11) % 64) - 29) / 8;
    x[32 + i] = i == 7 ? 5.5F : i % 2 == 1 ? -0.25F : 0.0F;
  }
  for (const auto& [name, expected] : {
           std::pair{"q8_0",
                     "0828b94be073089d30c457ec7f14a93cd063f88d20b547dc6f04992cc053e87b10a58b29"
                     "00fa00fa00fa007f00fa00fa00fa00fa00fa00fa00fa00fa00fa00fa00fa00fa"},
           {"q5_1", "df3340c35aad546ae6083b5d80a2d5f72a4c7f91c4e6193bef3100b480000000110011001100110f1100110011001100"},
           {"q5_0", "00b4a552ab9519f7c4a27f5d2a08d5b3806e3b19e6c480b57fffffff00110011001100100011001100110011"},
           {"q4_1", "113840c3730c952ec851ea731da63fc862fb841d223600b4110011001100110f1100110011001100"},
           {"q4_0", "00b89df36ad148ae158cf359c037ae047be280b988888888888888808888888888888888"},
       }) {
    const auto codec = codec_of(name, 64);
    EXPECT_EQ(hexadecimal(encode(*codec, x)), expected) << name;
  }
}

// ---- errors

double mean_square(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return sum / static_cast<double>(a.size());
}

// A grid whose ends are the extremes of the block is wrong by at most half a step inside. A half is wrong by 2^-11 of itself, which
// moves the far end by 2^-11 of its distance from zero code. For the symmetric types the step is the extreme over 2^(b-1), and values
// near the other end, one step beyond the last code, are wrong by a whole step.
TEST(BlockTypes, no_value_is_wrong_by_more_than_its_step_allows) {
  struct Row {
    const char* name;
    bool symmetric;
    float steps;  ///< of the extreme, or of the range
  };
  for (const Row& row : {Row{"q8_0", true, 127}, Row{"q5_0", true, 16}, Row{"q4_0", true, 8}, Row{"q5_1", false, 31}, Row{"q4_1", false, 15},
                         Row{"affine2", false, 3}, Row{"affine3", false, 7}, Row{"affine5", false, 31}, Row{"affine8", false, 255}}) {
    const std::size_t n = block_values(row.name);
    const auto codec = codec_of(row.name, n);
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      std::vector<float> x = test::gaussian(n, 400 + seed);
      if (seed % 2 == 1) {
        for (float& value : x) value = 100 + value * value * value;
      }
      const std::vector<float> decoded = decode(*codec, encode(*codec, x));
      const auto [low, high] = std::minmax_element(x.begin(), x.end());
      const float extreme = std::max(std::abs(*low), std::abs(*high));
      const float step = (row.symmetric ? extreme : *high - *low) / row.steps;
      const bool one_step_short = row.symmetric && row.steps != 127;
      const float bound = step * (one_step_short ? 1.0F : 0.5F) + 0x1p-10F * extreme + 0x1p-11F * (*high - *low);
      for (std::size_t i = 0; i < n; ++i) ASSERT_LE(std::abs(x[i] - decoded[i]), bound) << row.name << " seed " << seed << " value " << i;
    }
  }
}

// What a competent rounding reaches on N(0, 1) with scales of unlimited precision (docs/block-types.md), and a tenth
// more, since here scales are stored. A mean over 200 000 values is exact to well below 1 %.
TEST(BlockTypes, searched_scales_come_within_a_tenth_of_the_ideal) {
  for (const auto& [name, ideal] : {std::pair{"q2_k", 0.0652}, {"q3_k", 0.0205}, {"q4_k", 0.00477}, {"q5_k", 0.00116}, {"q6_k", 0.00026},
                                    {"iq4_nl", 0.00533}}) {
    const auto codec = codec_of(name, 256);
    const std::vector<float> rows = test::gaussian(800 * 256, 41);
    EXPECT_LE(mean_square(rows, decode(*codec, encode(*codec, rows))), 1.1 * ideal) << name;
  }
}

TEST(BlockTypes, mxfp4_takes_the_better_of_two_exponents) {
  const auto codec = codec_of("mxfp4", 32);
  std::vector<float> x(32, 0.0F);
  x[0] = 7.75F;  // in units of 2^0 the largest code is 6: wrong by 1.75; in units of 2, 8 is a code: wrong by 0.25
  EXPECT_EQ(decode(*codec, encode(*codec, x))[0], 8.0F);
  x[0] = 6.25F;
  for (std::size_t i = 1; i < 32; ++i) x[i] = 0.5F;  // codes of 2^0; in units of 2 they would be wrong by a half each
  EXPECT_EQ(decode(*codec, encode(*codec, x))[0], 6.0F);
  EXPECT_EQ(decode(*codec, encode(*codec, x))[1], 0.5F);
}

TEST(BlockTypes, minifloats_reach_both_ends_of_the_float_range) {
  const auto codec = codec_of("mxfp4", 32);
  std::vector<float> x(32, 0.0F);
  x[3] = std::numeric_limits<float>::max();
  EXPECT_EQ(decode(*codec, encode(*codec, x))[3], 0x1.8p127F);
  x[3] = 0x1p-127F;
  EXPECT_EQ(decode(*codec, encode(*codec, x)), x);
}

// ---- coding twice

// Where the ends of the grid are values of the block, they come back exactly, and with them the grid.
TEST(BlockTypes, coding_a_decoded_row_again_changes_nothing) {
  for (const std::string& name : kNames) {
    if (name.ends_with("_k") || name == "iq4_nl") continue;  // below
    const auto codec = codec_of(name, 192);
    const std::vector<float> once = decode(*codec, encode(*codec, test::gaussian(200 * 192, 42)));
    EXPECT_EQ(decode(*codec, encode(*codec, once)), once) << name;
  }
}

// Types whose scales are searched choose another grid for values that lie on one already: the search is not exhaustive. What that costs
// must stay small beside what the first coding cost.
TEST(BlockTypes, coding_a_decoded_row_again_costs_little_where_scales_are_searched) {
  for (const char* name : {"q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl"}) {
    const auto codec = codec_of(name, 256);
    const std::vector<float> rows = test::gaussian(200 * 256, 43), once = decode(*codec, encode(*codec, rows));
    EXPECT_LE(mean_square(decode(*codec, encode(*codec, once)), once), 0.25 * mean_square(rows, once)) << name;
  }
}

// ---- rows that are hard on scales

TEST(BlockTypes, runs_of_very_different_size_keep_their_own_scale) {
  for (const char* name : {"q2_k", "q3_k", "q4_k", "q5_k", "q6_k"}) {
    const auto codec = codec_of(name, 256);
    std::vector<float> x = test::gaussian(256, 44);
    for (std::size_t i = 0; i < 256; ++i) x[i] *= i / 32 % 2 == 0 ? 1.0F : 0.125F;
    const std::vector<float> decoded = decode(*codec, encode(*codec, x));
    double error = 0, energy = 0;
    for (std::size_t i = 0; i < 256; ++i) {
      if (i / 32 % 2 == 0) continue;
      error += std::pow(static_cast<double>(x[i]) - static_cast<double>(decoded[i]), 2);
      energy += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    // With the scale of the large runs, the small ones, at most 3/8 and mostly below half a step of q2_k and q3_k, would be lost.
    EXPECT_LE(error, 0.25 * energy) << name;
  }
}

TEST(BlockTypes, values_that_are_all_positive_or_all_negative_keep_their_size) {
  for (const std::string& name : kNames) {
    const auto codec = codec_of(name, 256);
    for (const float sign : {1.0F, -1.0F}) {
      std::vector<float> x = test::gaussian(256, 45);
      for (float& value : x) value = sign * (4 + value / 2);
      const std::vector<float> decoded = decode(*codec, encode(*codec, x));
      // A grid from 0 to 6 in 3 steps of 2 (q2_k cannot store a positive minimum) is wrong by 1 at most; values are 2 to 6.
      for (std::size_t i = 0; i < 256; ++i) EXPECT_NEAR(decoded[i], x[i], 1.2) << name << " value " << i;
    }
  }
}

// Files travel between CPUs, so the bytes of version 1 are frozen. These figures are hashes of what version 1 wrote when it was fixed,
// the same under TQ_SIMD=scalar, avx2 and avx512. q4_0 and q8_0 stand in codec_test.cpp.
TEST(BlockTypes, version_1_writes_the_same_bytes_on_every_cpu) {
  struct Frozen {
    const char* name;
    std::uint64_t hash;
  };
  constexpr Frozen kFrozen[] = {
      {"q5_1", 0x151a46b207f927a2U},
      {"q5_0", 0x8fc457634411dd7dU},
      {"q4_1", 0xfa7ce4197a24442fU},
      {"q2_k", 0x829ff95c4daedaf3U},
      {"q3_k", 0x3be08000968c53c5U},
      {"q4_k", 0x24a63a6224329c74U},
      {"q5_k", 0xcde6801b1b6291aU},
      {"q6_k", 0xd273de559e9a5a39U},
      {"iq4_nl", 0x953fb4419468ec71U},
      {"mxfp4", 0x580cbd570249e9bbU},
      {"affine2", 0x62aaa57809b0ce9U},
      {"affine3", 0xf17c8bf7a8f27617U},
      {"affine4", 0x3bb3b6bf72c189faU},
      {"affine5", 0xb6b1a043106b90dcU},
      {"affine6", 0xacb237cf505933efU},
      {"affine7", 0xbef8c9bc47b61a8eU},
      {"affine8", 0xe33aa57dad5433c3U},
  };
  for (const Frozen& frozen : kFrozen) {
    const auto codec = codec_of(frozen.name, 768);
    const std::vector<std::byte> coded = encode(*codec, test::gaussian(64 * 768, 46));
    const std::uint64_t hash = XXH64(coded.data(), coded.size(), 0);
    EXPECT_EQ(hash, frozen.hash) << frozen.name << std::hex << " 0x" << hash;
  }
}

// ---- rows that alternate

/// Random bytes, as a file that somebody made up may have: scales that are no numbers among them.
std::vector<std::byte> random_bytes(std::size_t n) {
  std::vector<std::byte> bytes(n);
  std::uint64_t state = 7;
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(next_random(state));
  return bytes;
}

TEST(InterleavedRuns, decode_to_the_bits_of_the_rows_that_they_were) {
  for (const std::string name : {"q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k"}) {
    const std::size_t dim = name.ends_with("_k") ? 768 : 192, n = 37, before = 3;
    const auto rows = codec_of(name, dim);
    const auto interleaved = make_codec(rows->spec().with_layout(Layout::kInterleavedRuns), dim).value();
    for (const auto& coded : {encode(*rows, test::gaussian(n * dim, 31)), random_bytes(n * rows->group_bytes())}) {
      std::vector<std::byte> moved(interleaved->storage_bytes(before + n));
      interleave_runs(*interleaved, coded.data(), n, moved.data(), before);
      std::vector<float> expected(n * dim), decoded(n * dim);
      rows->decode(coded.data(), 0, n, expected.data());
      interleaved->decode(moved.data(), before, n, decoded.data());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        if (std::isnan(expected[i])) {
          ASSERT_TRUE(std::isnan(decoded[i])) << name << ", value " << i;
        } else {
          ASSERT_EQ(decoded[i], expected[i]) << name << ", value " << i;
        }
      }
    }
  }
}

TEST(InterleavedRuns, other_types_and_lengths_have_no_such_layout) {
  for (const std::string name : {"f16", "tq4", "tt3", "affine4", "mxfp4", "rabitq4"}) {
    const CodecSpec spec = CodecSpec::parse(name).value();
    EXPECT_EQ(spec.with_layout(Layout::kInterleavedRuns), spec) << name;
  }
  const CodecSpec spec = CodecSpec::parse("q4_0").value().with_layout(Layout::kInterleavedRuns);
  EXPECT_FALSE(make_codec(spec, 96).has_value());
  EXPECT_EQ(spec.with_layout(Layout::kRows), CodecSpec::parse("q4_0").value());
  EXPECT_EQ(spec.with_layout(Layout::kTransposed), spec) << "as for a cache: no effect";
}

}  // namespace
}  // namespace tq
