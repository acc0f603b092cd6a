// Codes of 16 rows that alternate by 4 bytes, so that a 64-byte register holds all of them and no sum has to cross lanes.
// docs/layout.md draws it. Kernels::dot_interleaved reads 1 to 4 bits, Kernels::dot_wide more.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tq {

constexpr std::size_t kInterleavedRows = 16;

/// Words of 64 bytes that 16 rows of `dim` codes take: `bits` for each 32 codes, and as many as needed for the rest, in steps of 4 codes.
std::size_t interleaved_words(std::size_t dim, unsigned bits);

/// codes[i] < 2^bits → the 4 bytes of `row` < 16 in each word. Other rows keep their bytes.
void interleave_row(const std::uint16_t* codes, std::size_t dim, unsigned bits, std::size_t row, std::byte* words);

/// A stream of 4 · n_words bytes in four quarters, one in each byte of a lane: byte j of `row` in word w is byte j · n_words + w. Other rows
/// keep their bytes.
void interleave_stream(const std::byte* stream, std::size_t n_words, std::size_t row, std::byte* words);
/// The way back.
void separate_stream(const std::byte* words, std::size_t n_words, std::size_t row, std::byte* stream);

/// interleave_row for 16 rows at once: fields as Kernels::quantize_lanes writes them, ⌈dim / 4⌉ x 64 bytes. 1 to 4 bits.
void interleave_fields(const std::uint8_t* fields, std::size_t dim, unsigned bits, std::byte* words);

/// The words of 16 rows → the highest bit of each code and the other bits, as Kernels::dot_planes reads them: ⌈dim / 32⌉ x 64 bytes and
/// bits − 1 times as many. 2 to 4 bits.
void split_planes(const std::byte* words, std::size_t dim, unsigned bits, std::byte* signs, std::byte* rest);

/// The transposed layout: in groups of 32 rows, 16 coordinates take the places that 16 rows have above, and the rows those of a chunk of 32
/// coordinates. codes[i] < 2^bits → `row` < 32 of the group at `words`: `bits` x 64 bytes for each 16 coordinates. Other rows keep their
/// bits.
void transpose_row(const std::uint16_t* codes, std::size_t dim, unsigned bits, std::size_t row, std::byte* words);
/// The way back.
void restore_row(const std::byte* words, std::size_t dim, unsigned bits, std::size_t row, std::uint16_t* codes);

/// The way back of interleave_row.
void separate_row(const std::byte* words, std::size_t dim, unsigned bits, std::size_t row, std::uint16_t* codes);

}  // namespace tq
