// Rows that are decoded while they are multiplied, against decoding them first: the same bits on every target.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <cstring>
#include <vector>

#include "simd/every_target.h"
#include "simd/kernels.h"
#include "support/random_rows.h"

namespace tq {
namespace {

using test::EveryTarget;

struct Format {
  RowFormat format;
  const char* name;
  std::size_t multiple, bytes_of_multiple;  ///< of values; of stored bytes for so many values
};
constexpr Format kFormats[] = {{RowFormat::kF32, "f32", 1, 4}, {RowFormat::kF16, "f16", 1, 2}, {RowFormat::kBF16, "bf16", 1, 2},
                               {RowFormat::kQ8_0, "q8_0", 32, 34}, {RowFormat::kQ4_0, "q4_0", 32, 18}};

/// Bytes between rows: 3, so that no row but the first is aligned, but for floats, which always are.
std::size_t gap(const Format& format) { return format.format == RowFormat::kF32 ? 4 : 3; }

/// Random rows with a gap() between them; nothing behind the last one.
std::vector<std::uint8_t> stored(const Kernels& simd, const Format& format, std::size_t n, std::size_t n_rows) {
  const std::size_t row_bytes = n / format.multiple * format.bytes_of_multiple, stride = row_bytes + gap(format);
  std::vector<std::uint8_t> bytes((n_rows - 1) * stride + row_bytes);
  const auto values = test::gaussian(n_rows * n, 5);
  for (std::size_t r = 0; r < n_rows; ++r) {
    std::uint8_t* row = bytes.data() + r * stride;
    if (format.format == RowFormat::kF32) std::memcpy(row, &values[r * n], n * sizeof(float));
    if (format.format == RowFormat::kF16) simd.f32_to_f16(&values[r * n], n, row);
    if (format.format == RowFormat::kBF16) simd.f32_to_bf16(&values[r * n], n, row);
    if (format.multiple == 1) continue;
    for (std::size_t i = 0; i < row_bytes; ++i) row[i] = static_cast<std::uint8_t>(37 * i + 11 * r + i * i);
    for (std::size_t i = 0; i < n / 32; ++i) simd.f32_to_f16(&values[r * n + i], 1, row + i * format.bytes_of_multiple);
  }
  return bytes;
}

std::vector<float> decoded(const Kernels& simd, const Format& format, std::size_t n, const std::uint8_t* row) {
  std::vector<float> values(n);
  if (format.format == RowFormat::kF32) std::memcpy(values.data(), row, n * sizeof(float));
  if (format.format == RowFormat::kF16) simd.f16_to_f32(row, n, values.data());
  if (format.format == RowFormat::kBF16) simd.bf16_to_f32(row, n, values.data());
  if (format.format == RowFormat::kQ8_0) simd.decode_q8_0(row, n, values.data());
  if (format.format == RowFormat::kQ4_0) simd.decode_q4_0(row, n, values.data());
  return values;
}

/// Calls check(format, n, n_rows, n_vectors, rows, decoded rows) for every shape of a tile and of a ragged end.
template <class Check>
void for_shapes(const Kernels& simd, Check check) {
  for (const Format& format : kFormats) {
    for (const std::size_t n : {1UL, 8UL, 17UL, 32UL, 64UL, 96UL, 172UL, 576UL}) {
      if (n % format.multiple != 0) continue;
      for (const std::size_t n_rows : {1UL, 3UL, 4UL, 9UL}) {
        const auto bytes = stored(simd, format, n, n_rows);
        const std::size_t stride = n / format.multiple * format.bytes_of_multiple + gap(format);
        std::vector<float> rows;
        for (std::size_t r = 0; r < n_rows; ++r) {
          const auto row = decoded(simd, format, n, bytes.data() + r * stride);
          rows.insert(rows.end(), row.begin(), row.end());
        }
        for (const std::size_t n_vectors : {1UL, 2UL, 3UL, 4UL, 7UL}) {
          SCOPED_TRACE(std::string(format.name) + ", " + std::to_string(n_rows) + " x " + std::to_string(n) + ", " +
                       std::to_string(n_vectors) + " vectors");
          check(format.format, StoredRows{bytes.data(), stride, n_rows, n}, n_vectors, rows);
        }
      }
    }
  }
}

TEST_P(EveryTarget, dot_stored_has_the_bits_of_decoding_first) {
  for_shapes(simd(), [&](RowFormat format, const StoredRows& rows, std::size_t n_vectors, const std::vector<float>& decoded_rows) {
    const auto vectors = test::gaussian(n_vectors * rows.n, 6);
    std::vector<float> out(n_vectors * (rows.n_rows + 2), 99.0F), expected = out;
    simd().dot_stored(format, rows, vectors.data(), rows.n, n_vectors, out.data(), rows.n_rows + 2);
    simd().dot_tile(decoded_rows.data(), rows.n, rows.n_rows, vectors.data(), rows.n, n_vectors, rows.n, expected.data(), rows.n_rows + 2);
    EXPECT_EQ(out, expected);
  });
}

/// The inner sums are exact, so only the sum over blocks rounds: up to 18 of them and 4 levels of lanes, half an ulp (6e-8) each.
TEST_P(EveryTarget, dot_blocks_is_the_product_of_the_values_decoded) {
  for_shapes(simd(), [&](RowFormat format, const StoredRows& rows, std::size_t n_queries, const std::vector<float>& decoded_rows) {
    if (format != RowFormat::kQ8_0 && format != RowFormat::kQ4_0) return;
    const std::size_t stride = rows.n + 5;
    std::vector<std::int16_t> queries(n_queries * stride);
    for (std::size_t i = 0; i < queries.size(); ++i) queries[i] = static_cast<std::int16_t>(i % 7 == 0 ? 32384 : i % 11 == 0 ? -32384 : 977 * i);
    const auto units = test::gaussian(n_queries, 9);
    std::vector<float> out(n_queries * (rows.n_rows + 2), 99.0F);
    simd().dot_blocks({.rows = rows, .four_bits = format == RowFormat::kQ4_0, .queries = queries.data(), .query_stride = stride,
                       .query_units = units.data(), .n_queries = n_queries, .out = out.data(), .out_stride = rows.n_rows + 2});
    for (std::size_t q = 0; q < n_queries; ++q) {
      for (std::size_t r = 0; r < rows.n_rows; ++r) {
        double sum = 0, size = 0;
        for (std::size_t i = 0; i < rows.n; ++i) {
          const double product = static_cast<double>(decoded_rows[r * rows.n + i]) * queries[q * stride + i] * static_cast<double>(units[q]);
          sum += product;
          size += std::abs(product);
        }
        EXPECT_NEAR(out[q * (rows.n_rows + 2) + r], sum, 24 * 6e-8 * size);
      }
      for (std::size_t r = rows.n_rows; r < rows.n_rows + 2; ++r) EXPECT_EQ(out[q * (rows.n_rows + 2) + r], 99.0F);
    }
  });
}

TEST_P(EveryTarget, dot_runs_is_the_product_of_the_values) {
  constexpr std::size_t kRows = 3;
  for (const std::size_t n : {32UL, 64UL, 96UL, 128UL, 160UL, 256UL, 576UL, 768UL}) {
    const std::size_t padded = (n / 16 + 15) / 16 * 16;
    std::vector<std::int8_t> codes(kRows * n);
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::int8_t>(i * 37 + i * i);
    auto scales = test::gaussian(kRows * padded, 10), offsets = test::gaussian(kRows * padded, 11);
    for (std::size_t i = 0; i < scales.size(); ++i) {
      if (i % padded >= n / 16) scales[i] = offsets[i] = 0;
    }
    std::vector<float> one;  // the first query alone
    for (const std::size_t n_queries : {1UL, 2UL, 3UL, 4UL, 7UL, 8UL, 13UL}) {
      std::vector<std::int16_t> queries(n_queries * n);
      for (std::size_t i = 0; i < queries.size(); ++i) queries[i] = static_cast<std::int16_t>(i % 5 == 0 ? 32384 : 977 * i);
      std::vector<float> runs(n_queries * padded, 0.0F);
      for (std::size_t i = 0; i < queries.size(); ++i) runs[i / n * padded + i % n / 16] += queries[i];
      const auto units = test::gaussian(13, 12);
      constexpr std::size_t kStride = kRows + 2;
      std::vector<float> out(kStride * n_queries, 99.0F);
      simd().dot_runs({.codes = codes.data(), .n_rows = kRows, .n = n, .scales = scales.data(), .offsets = offsets.data(),
                       .queries = queries.data(), .query_stride = n, .query_runs = runs.data(), .query_units = units.data(),
                       .n_queries = n_queries, .out = out.data(), .out_stride = kStride});
      for (std::size_t q = 0; q < n_queries; ++q) {
        for (std::size_t r = 0; r < kRows; ++r) {
          double sum = 0, size = 0;
          for (std::size_t i = 0; i < n; ++i) {
            const double unit = static_cast<double>(units[q]) * queries[q * n + i];
            const double scaled = static_cast<double>(scales[r * padded + i / 16]) * codes[r * n + i] * unit;
            const double offset = static_cast<double>(offsets[r * padded + i / 16]) * unit;
            sum += scaled + offset;
            size += std::abs(scaled) + std::abs(offset);
          }
          EXPECT_NEAR(out[q * kStride + r], sum, 32 * 6e-8 * size) << n << ", " << n_queries;
        }
        EXPECT_EQ(out[q * kStride + kRows], 99.0F);
      }
      const std::vector<float> first(out.begin(), out.begin() + kRows);
      if (one.empty()) one = first;
      EXPECT_EQ(first, one) << "depends on the queries beside it";
    }
  }
}

TEST_P(EveryTarget, sum_stored_has_the_bits_of_decoding_first) {
  for_shapes(simd(), [&](RowFormat format, const StoredRows& rows, std::size_t n_sums, const std::vector<float>& decoded_rows) {
    const auto weights = test::gaussian(n_sums * (rows.n_rows + 1), 7);
    auto sums = test::gaussian(n_sums * rows.n, 8), expected = sums;
    simd().sum_stored(format, rows, weights.data(), rows.n_rows + 1, n_sums, sums.data());
    for (std::size_t s = 0; s < n_sums; ++s) {
      simd().weighted_sum(&weights[s * (rows.n_rows + 1)], decoded_rows.data(), rows.n, rows.n_rows, rows.n, &expected[s * rows.n]);
    }
    EXPECT_EQ(sums, expected);
  });
}

}  // namespace
}  // namespace tq
