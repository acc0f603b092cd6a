// The rows with the largest inner product with a query, among coded vectors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "turboquant/codec.h"
#include "turboquant/result.h"

namespace tq {

/// Every vector is looked at: there are no lists or graphs. Immutable after construction; any number of threads may
/// search at once, each with a Scratch of its own.
///
/// Interleaved tq2, tq3 and tq4 of 32 to 131072 values are filled up with zeros to a multiple of 32, since as many
/// codes are kept anyway, then coded, kept as two planes, the signs and the rest (docs/layout.md), and searched in
/// stages: the signs give an estimate of each score and its standard error (docs/algorithm.md); rows whose estimate
/// plus 4 standard errors reaches the k-th best score are scored with all their bits. A row that belongs to the k best
/// is missed with a probability of about 3·10⁻⁵; all scores are those of Codec::scores. Other codecs take all bits of
/// all rows.
class VectorIndex {
 public:
  struct Hit {
    float score;
    std::uint32_t row;

    bool operator==(const Hit&) const = default;
  };
  /// Memory of one thread; grows to what is needed and is reused.
  struct Scratch {
    Workspace codec;
    Query query;
    std::vector<float> scores;
    std::vector<std::int8_t> bytes;
    /// What a query says about four signs, for four places of them; a cache line, since a scan does little else than
    /// read these.
    struct alignas(64) SignTable {
      std::array<std::uint8_t, 64> entries{};
    };
    std::vector<SignTable> tables;
    std::vector<std::uint32_t> found;
    std::size_t refined = 0;  ///< rows that the last eight queries or fewer scored with all their bits
  };

  /// Codes n_rows x dim values. kUsage when `spec` cannot code such rows, or for 2³² rows and more.
  static Result<VectorIndex> build(const float* rows, std::size_t n_rows, std::size_t dim, const CodecSpec& spec);

  VectorIndex(VectorIndex&&) noexcept;
  VectorIndex& operator=(VectorIndex&&) noexcept;
  ~VectorIndex();

  std::size_t rows() const;
  std::size_t dim() const;
  /// All that is kept for a vector.
  double bytes_per_vector() const;

  /// The k best rows for each of `count` queries (count x dim), best first, the earlier of equals first; fewer where
  /// there are fewer rows. Rows whose score is not a number are never among them.
  std::vector<std::vector<Hit>> search(const float* queries, std::size_t count, std::size_t k, Scratch& scratch) const;

 private:
  class Coded;
  class Planes;
  class Storage;
  explicit VectorIndex(std::unique_ptr<const Storage> storage);
  std::unique_ptr<const Storage> storage_;
};

}  // namespace tq
