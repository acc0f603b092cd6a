// The window trellis (docs/algorithm.md): code t stands for the value of the window of bits that begins with it, so
// neighbours share bits, and a search over whole rows finds codes that are better together than each alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "turboquant/codec.h"

namespace tq {

/// A trained table. Window w stands for table[w] · unit, in units of the root mean square of a row.
struct Trellis {
  unsigned bits;    ///< of a code
  unsigned window;  ///< bits of a window
  float unit;
  const std::int8_t* table;  ///< 2^window values, then 3 more bytes that Kernels::decode_windows may read
  std::uint8_t mirror = 0;   ///< table[w] = table[w ^ mirror] for all w, and bit 7 of it is set; 0: windows have values of their own
};

/// The table for 2 to 5 bits of a CodecSpec::version: 2 has a mirror, 1 has none.
const Trellis& trellis_of(unsigned bits, std::uint32_t version);

/// Whether the stream of a row of n codes begins again behind its end. In shorter rows the windows would overlap
/// themselves, and rows that no ring of codes comes near become frequent (two of 4 bits: 35 times the error); zeros
/// follow these.
constexpr bool is_closed(std::size_t n) { return n >= 16; }

/// Whether rows of n codes can be interleaved: four quarters of a closed stream in whole bytes, and windows of a byte.
constexpr bool interleaves(unsigned bits, std::size_t n) { return bits <= 4 && n % 32 == 0 && n <= 131072; }

/// Viterbi's search for the codes of a row. `values` outlives it and has 2^window of them; bits at least 1, window −
/// bits from 4 to 7.
class TrellisSearch {
 public:
  TrellisSearch(unsigned bits, unsigned window, std::span<const float> values)
      : bits_(bits), window_(window), states_(std::size_t{1} << (window - bits)), values_(values) {}

  /// The codes of x whose windows are nearest to it. In rows of more than 32 codes they are very nearly so: the bits in
  /// which the end meets the beginning are settled first, by a search over the row turned by half.
  void run(const float* x, std::size_t n, Workspace& scratch, std::uint16_t* codes) const;

  /// The state between the end of a closed row and its beginning that run() settles on. `codes` is room for n of them.
  std::size_t ring(const float* x, std::size_t n, Workspace& scratch, std::uint16_t* codes) const;

  /// The nearest codes with `state` (window − bits bits) behind the last code, and with the same bits at the beginning
  /// where `closed`.
  void run_before(std::size_t state, bool closed, const float* x, std::size_t n, Workspace& scratch,
                  std::uint16_t* codes) const;

 private:
  void start(Workspace& scratch) const;
  void start_at(std::size_t state, Workspace& scratch) const;
  std::size_t cheapest(const Workspace& scratch) const;
  std::size_t nearest_ring(const float* x, std::size_t n, Workspace& scratch) const;
  std::size_t ring_of_halves(const float* x, std::size_t n, Workspace& scratch, std::uint16_t* codes) const;
  void search(const float* x, std::size_t n, Workspace& scratch) const;
  std::size_t trace(const float* x, std::size_t n, std::size_t state, Workspace& scratch, std::uint16_t* codes) const;
  void search_part(const float* x, std::size_t n, Workspace& scratch) const;

  unsigned bits_, window_;
  std::size_t states_;
  std::span<const float> values_;
};

}  // namespace tq
