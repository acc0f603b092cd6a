// Rows of small integers whose runs have a scale, and maybe an offset, taken apart and with 16 rows alternating: GGUF's types as weights.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "turboquant/codec.h"

namespace tq {

/// A value is table[code] · scale + offset. Scales and offsets are halves of 32 values each, or small integers of runs in units of two halves
/// for each 256 values.
struct RunFormat {
  unsigned bits;     ///< of a code: 2 to 6, or 8, which are the values themselves
  std::size_t run;   ///< 16 or 32
  bool has_offsets, has_units;
  std::array<std::int8_t, 64> table{};  ///< 2^bits values of up to 6 bits
};

/// One row.
struct RunParts {
  std::vector<std::uint16_t> codes;           ///< of each value
  std::vector<std::uint16_t> scales, offsets;  ///< halves: of each 32 values, or the units of each 256
  std::vector<std::int8_t> run_scales, run_offsets;  ///< of each run, where there are units
};

/// A codec whose rows come apart so. Thread-safe, as Codec.
class RunSource {
 public:
  virtual ~RunSource() = default;
  virtual RunFormat run_format() const = 0;
  /// `parts` are resized to what a row of dim values has.
  virtual void take_apart(const std::byte* row, RunParts& parts) const = 0;
};

/// Rows of `rows`, a codec of kRows that is a RunSource, in the layout kRunsInterleaved: groups of 16 (docs/layout.md, "Rows of runs"). Decodes
/// to the same floats. `spec` is that of `rows` but for its layout; rows are a multiple of 64 values.
std::shared_ptr<const Codec> make_interleaved_runs(const CodecSpec& spec, std::shared_ptr<const Codec> rows);

/// n_rows rows of the layout kRows → rows first … first + n_rows − 1 of `storage`, which is of `codec`, one of make_interleaved_runs().
void interleave_runs(const Codec& codec, const std::byte* rows, std::size_t n_rows, std::byte* storage, std::size_t first);

}  // namespace tq
