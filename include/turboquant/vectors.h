// What a codec costs on plain vectors: error, bias and variance of inner products, recall of nearest neighbours, speed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "turboquant/codec.h"
#include "turboquant/result.h"

namespace tq {

/// rows x dim floats, row by row.
struct VectorSet {
  std::size_t rows = 0, dim = 0;
  std::vector<float> values;

  const float* row(std::size_t r) const { return values.data() + r * dim; }
};

/// Reads NumPy's `.npy` (versions 1 to 3, little-endian f4, f8, f2, i1, u1 in C order, 2 dimensions), `.fvecs`,
/// `.bvecs`, and MNIST's `idx` of unsigned bytes, also compressed with gzip; told apart by their first bytes, then by
/// the file name's end. At most `max_rows` rows are kept; 0: all.
///
/// Any bytes are safe: sizes are compared with the bytes that are there before anything is allocated, and at most 16
/// GiB are unpacked. kFailed when the file cannot be opened, kBadFile when it is damaged or holds values that are not
/// finite.
Result<VectorSet> read_vectors(const std::filesystem::path& path, std::size_t max_rows = 0);
/// The same from the contents of a file; `path` is its name. Fuzzed.
Result<VectorSet> parse_vectors(std::span<const std::byte> bytes, const std::filesystem::path& path,
                                std::size_t max_rows = 0);

struct VectorsOptions {
  std::vector<std::string> codecs = {"tq4"};
  std::vector<std::size_t> k = {1, 10, 100};
  std::size_t max_queries = 1000;  ///< of the queries given, or of the rows when none are given
  std::uint64_t seed = 1;          ///< of the rotations
};

/// One codec on one set of vectors. Vectors and queries are scaled to length 1 first, so that inner products are
/// cosines.
struct VectorsRow {
  std::string codec;
  double bits = 0;  ///< true bits per value, scales in
  double bytes_per_vector = 0;
  double mse = 0;       ///< mean ‖x − x̂‖² with the least-squares scale
  double ip_bias = 0;   ///< slope of the regression of ⟨q, x̂⟩ on ⟨q, x⟩, minus 1, with the unbiased scale
  double ip_var_d = 0;  ///< dim x variance of ⟨q, x̂⟩ − ⟨q, x⟩, with the unbiased scale
  std::vector<double> recall;  ///< for each k: share of queries whose true nearest vector is among the k best by code
  double encode_vps = 0;       ///< vectors per second, one thread
  double scan_qps = 0;         ///< queries per second over all vectors, in batches of 8, one thread
  double single_qps = 0;       ///< the same, one query at a time
  double index_bytes_per_vector = 0;  ///< what VectorIndex, which both figures are of, keeps for a vector
  double build_seconds = 0;
};

struct VectorsReport {
  std::size_t rows = 0, dim = 0, queries = 0;
  bool leave_one_out = false;  ///< the queries are rows; each is compared with the others
  std::string name, sha256;    ///< of the vectors as floats
  std::vector<std::size_t> k;
  std::vector<VectorsRow> codecs;
};

/// `done` of `total` steps; returns false to stop (kInterrupted).
using VectorsProgress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

/// Runs every codec over `data`. `queries` may be empty: then up to max_queries rows, evenly spread, are the queries,
/// each compared with all rows but itself. kUsage for an unknown codec, one that cannot code such rows, or queries of
/// another length; all codecs are looked at before anything runs.
Result<VectorsReport> evaluate_vectors(const VectorSet& data, const VectorSet& queries, std::string name,
                                       const VectorsOptions& options, const VectorsProgress& progress);

/// Schema turboquant.vectors/1.
std::string to_json(const VectorsReport& report);
/// A table for a terminal.
std::string to_table(const VectorsReport& report);

}  // namespace tq
