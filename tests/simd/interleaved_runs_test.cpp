// Products with interleaved rows of runs, against plain sums: docs/layout.md, "Rows of runs", written a second time.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "quant/interleave.h"
#include "simd/every_target.h"
#include "support/random_rows.h"

namespace tq::test {
namespace {

struct RunShape {
  unsigned bits;
  std::size_t run;
  bool has_offsets, has_units;
};
constexpr RunShape kShapes[] = {{4, 32, false, false}, {4, 32, true, false}, {5, 32, false, false}, {5, 32, true, false}, {8, 32, false, false},
                                {2, 16, true, true},   {3, 16, false, true}, {4, 32, true, true},   {5, 32, true, true},  {6, 16, false, true}};

/// 16 rows: what stands in them, and as bytes.
struct Block {
  std::vector<double> values;  ///< 16 x n, …
  std::vector<double> sizes;   ///< … and |table · scale| + |offset| of each
  std::vector<std::uint8_t> bytes;
};

Block random_block(const Kernels& simd, const RunShape& shape, std::size_t n, const std::vector<std::int8_t>& table, std::uint64_t& state) {
  const std::size_t chunks = shape.has_units ? 8 : 2, runs = 32 / shape.run, numbers = shape.has_offsets ? 2 : 1;
  const std::size_t header = shape.has_units ? 64 + 16 * chunks * runs * numbers : 32 * chunks * numbers;
  Block block{.values = std::vector<double>(16 * n), .sizes = std::vector<double>(16 * n), .bytes = {}};
  for (std::size_t part = 0; part < n / (32 * chunks); ++part) {
    std::vector<std::uint8_t> bytes(header + chunks * shape.bits * 64);
    for (std::size_t r = 0; r < 16; ++r) {
      std::vector<double> scales(chunks * runs), offsets(chunks * runs, 0.0);
      const auto put_half = [&](std::size_t at) {
        float value = static_cast<float>(static_cast<int>(next_random(state) % 512) - 256) / 1024.0F;  // a half has it exactly
        simd.f32_to_f16(&value, 1, bytes.data() + at);
        return static_cast<double>(value);
      };
      const auto put_byte = [&](std::size_t at) {
        const auto value = static_cast<std::int8_t>(next_random(state));
        std::memcpy(bytes.data() + at, &value, 1);
        return static_cast<double>(value);
      };
      if (shape.has_units) {
        const double unit = put_half(2 * r), offset_unit = shape.has_offsets ? put_half(32 + 2 * r) : 0;
        for (std::size_t k = 0; k < scales.size(); ++k) {
          const std::size_t of_chunk = 64 + k / runs * runs * numbers * 16;
          scales[k] = unit * put_byte(of_chunk + k % runs * 16 + r);
          if (shape.has_offsets) offsets[k] = offset_unit * put_byte(of_chunk + (runs + k % runs) * 16 + r);
        }
      } else {
        for (std::size_t c = 0; c < chunks; ++c) scales[c] = put_half(32 * c + 2 * r);
        for (std::size_t c = 0; c < chunks && shape.has_offsets; ++c) offsets[c] = put_half(32 * (chunks + c) + 2 * r);
      }
      std::vector<std::uint16_t> codes(32 * chunks);
      for (std::size_t i = 0; i < codes.size(); ++i) {
        codes[i] = static_cast<std::uint16_t>(next_random(state) % (std::size_t{1} << shape.bits));
        const double value = shape.bits == 8 ? static_cast<std::int8_t>(codes[i]) : table[codes[i]];
        const std::size_t at = r * n + part * codes.size() + i, k = i / shape.run;
        block.values[at] = value * scales[k] + offsets[k];
        block.sizes[at] = std::abs(value * scales[k]) + std::abs(offsets[k]);
      }
      interleave_row(codes.data(), codes.size(), shape.bits, r, reinterpret_cast<std::byte*>(bytes.data() + header));
    }
    block.bytes.insert(block.bytes.end(), bytes.begin(), bytes.end());
  }
  return block;
}

/// The inner sums are exact, so only those over runs round, of which there are up to 48, half an ulp (6e-8) of what there is so far.
TEST_P(EveryTarget, dot_interleaved_runs_is_the_product_of_the_values) {
  std::uint64_t state = 1;
  for (const RunShape& shape : kShapes) {
    std::vector<std::int8_t> table(std::size_t{1} << shape.bits);
    for (auto& value : table) value = static_cast<std::int8_t>(static_cast<int>(next_random(state) % 255) - 127);
    for (const std::size_t n : shape.has_units ? std::vector<std::size_t>{256, 768} : std::vector<std::size_t>{64, 128, 576}) {
      const Block block = random_block(simd(), shape, n, table, state);
      std::vector<std::uint8_t> bytes = block.bytes;  // twice the same rows
      bytes.insert(bytes.end(), block.bytes.begin(), block.bytes.end());
      const std::size_t n_runs = n / shape.run;
      std::vector<float> one;  // the first query alone
      std::vector<std::int16_t> queries(13 * n), placed(13 * n);
      for (std::size_t i = 0; i < queries.size(); ++i) {
        queries[i] = static_cast<std::int16_t>(i % 7 == 0 ? -32384 : static_cast<int>(next_random(state) % 64769) - 32384);
        placed[i - i % 4 + std::array{0UL, 2UL, 1UL, 3UL}[i % 4]] = queries[i];
      }
      for (const std::size_t n_queries : {1UL, 2UL, 3UL, 4UL, 7UL, 13UL}) {
        std::vector<float> runs(n_queries * n_runs, 0.0F);
        for (std::size_t i = 0; i < n_queries * n; ++i) {
          runs[i / n * n_runs + i % n / shape.run] += queries[i];
        }
        const auto units = gaussian(13, 12);
        constexpr std::size_t kStride = 34;
        std::vector<float> out(kStride * n_queries, 99.0F);
        simd().dot_interleaved_runs({.blocks = bytes.data(), .n_blocks = 2, .block_bytes = block.bytes.size(), .n = n, .bits = shape.bits,
                                     .has_offsets = shape.has_offsets, .has_units = shape.has_units, .table = table.data(),
                                     .queries = placed.data(), .query_runs = runs.data(), .query_units = units.data(), .n_queries = n_queries, .out = out.data(), .out_stride = kStride});
        for (std::size_t q = 0; q < n_queries; ++q) {
          for (std::size_t r = 0; r < 16; ++r) {
            double sum = 0, size = 0;
            for (std::size_t i = 0; i < n; ++i) {
              const double query = queries[q * n + i];
              sum += block.values[r * n + i] * query * static_cast<double>(units[q]);
              size += block.sizes[r * n + i] * std::abs(query * static_cast<double>(units[q]));
            }
            ASSERT_NEAR(out[q * kStride + r], sum, 32 * 6e-8 * size) << shape.bits << " bits, " << n << " values, query " << q << ", row " << r;
            ASSERT_EQ(out[q * kStride + 16 + r], out[q * kStride + r]) << "the second block";
          }
          EXPECT_EQ(out[q * kStride + 32], 99.0F);
        }
        const std::vector<float> first(out.begin(), out.begin() + 32);
        if (one.empty()) one = first;
        EXPECT_EQ(first, one) << "depends on the queries beside it";
      }
    }
  }
}

}  // namespace
}  // namespace tq::test
