#include "turboquant/vectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "eval/provenance.h"
#include "turboquant/vector_index.h"

namespace tq {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// Queries that share a pass over the vectors.
constexpr std::size_t kBatch = 8;
/// Queries of the measurement one at a time, which slow codecs would make endless.
constexpr std::size_t kMostSingle = 200;
/// Vectors that are scored before their scores are looked at: with 8 queries 128 KiB, which stays in a level-2 cache.
constexpr std::size_t kSlice = 4096;

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

/// Rows of length 1; a row of zeros stays.
VectorSet normalized(const VectorSet& set) {
  VectorSet unit = set;
  for (std::size_t r = 0; r < set.rows; ++r) {
    double squares = 0;
    for (std::size_t i = 0; i < set.dim; ++i)
      squares += static_cast<double>(set.row(r)[i]) * static_cast<double>(set.row(r)[i]);
    const double factor = squares > 0 ? 1 / std::sqrt(squares) : 0;
    for (std::size_t i = 0; i < set.dim; ++i)
      unit.values[r * set.dim + i] = static_cast<float>(static_cast<double>(set.row(r)[i]) * factor);
  }
  return unit;
}

/// Sums over pairs of an exact inner product x and its estimate y.
struct Pairs {
  double n = 0, xx = 0, xy = 0, error = 0, squared_error = 0;

  void add(double x, double y) {
    ++n;
    xx += x * x;
    xy += x * y;
    error += y - x;
    squared_error += (y - x) * (y - x);
  }
  double bias() const { return xy / xx - 1; }
  double variance() const { return squared_error / n - (error / n) * (error / n); }
};

class Search {
 public:
  Search(const VectorSet& data, const VectorSet& queries, const VectorsOptions& options, VectorsReport& report,
         const VectorsProgress& progress)
      : data_(normalized(data)), options_(options), report_(report), progress_(progress) {
    const bool own = queries.rows == 0;
    const std::size_t available = own ? data.rows : queries.rows, count = std::min(available, options.max_queries);
    const VectorSet unit = own ? VectorSet{} : normalized(queries);
    queries_.dim = data.dim;
    queries_.rows = count;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t r = i * available / count;
      const float* row = own ? data_.row(r) : unit.row(r);
      queries_.values.insert(queries_.values.end(), row, row + data.dim);
      self_.push_back(own ? r : data.rows);
    }
    report_.queries = count;
    report_.leave_one_out = own;
  }

  /// The steps of the progress bar.
  std::uint64_t steps(std::size_t n_codecs) const {
    return queries_.rows + n_codecs * (2 * queries_.rows + n_single() + data_.rows);
  }
  void set_total(std::uint64_t total) { total_ = total; }

  Result<void> find_exact() {
    const std::shared_ptr<const Codec> exact = make_codec(CodecSpec{}, data_.dim).value();
    const auto* storage = reinterpret_cast<const std::byte*>(data_.values.data());
    nearest_.assign(queries_.rows, 0);
    std::vector<float> best(queries_.rows, -std::numeric_limits<float>::infinity());
    return for_scores(*exact, storage,
                      [&](std::size_t query, std::size_t first, std::size_t n, const float* scores) {
                        for (std::size_t i = 0; i < n; ++i) {
                          if (first + i == self_[query] || !(scores[i] > best[query])) continue;
                          best[query] = scores[i];
                          nearest_[query] = first + i;
                        }
                      });
  }

  Result<void> run(const CodecSpec& spec) {
    VectorsRow row;
    row.codec = spec.name();
    const auto start = SteadyClock::now();
    const std::shared_ptr<const Codec> codec = make_codec(spec.with_scale(ScaleRule::kUnbiased), data_.dim).value();
    row.bits = codec->bits_per_value();
    row.bytes_per_vector = static_cast<double>(codec->group_bytes()) / static_cast<double>(codec->group_rows());
    std::vector<std::byte> storage(codec->storage_bytes(data_.rows));
    const auto begin = SteadyClock::now();
    if (Result<void> done = encode(*codec, storage); !done) return done;
    row.encode_vps = static_cast<double>(data_.rows) / seconds_since(begin);
    row.build_seconds = seconds_since(start);
    row.mse = mean_squared_error(*make_codec(spec.with_scale(ScaleRule::kLeastSquares), data_.dim).value());

    Pairs pairs;
    if (Result<void> compared = compare(*codec, storage.data(), pairs); !compared) return compared;
    row.ip_bias = pairs.bias();
    row.ip_var_d = static_cast<double>(data_.dim) * pairs.variance();
    storage = {};

    const auto index =
        VectorIndex::build(data_.values.data(), data_.rows, data_.dim, spec.with_scale(ScaleRule::kUnbiased));
    if (!index) return std::unexpected(index.error());
    row.index_bytes_per_vector = index->bytes_per_vector();
    std::vector<std::size_t> ranks;
    const Result<double> in_batches = search(*index, kBatch, queries_.rows, &ranks);
    if (!in_batches) return std::unexpected(in_batches.error());
    row.scan_qps = *in_batches;
    const Result<double> single = search(*index, 1, n_single(), nullptr);
    if (!single) return std::unexpected(single.error());
    row.single_qps = *single;
    for (const std::size_t k : options_.k) {
      const auto found = std::count_if(ranks.begin(), ranks.end(), [k](std::size_t rank) { return rank < k; });
      row.recall.push_back(static_cast<double>(found) / static_cast<double>(ranks.size()));
    }
    report_.codecs.push_back(std::move(row));
    return {};
  }

 private:
  std::size_t n_single() const { return std::min(queries_.rows, kMostSingle); }

  Result<void> advance(std::uint64_t steps) {
    done_ += steps;
    if (!progress_ || progress_(done_, total_)) return {};
    return fail(ErrorCode::kInterrupted, "the measurement was stopped before it had a result");
  }

  Result<void> encode(const Codec& codec, std::vector<std::byte>& storage) {
    Workspace scratch;
    for (std::size_t r = 0; r < data_.rows; r += kSlice) {
      const std::size_t n = std::min(kSlice, data_.rows - r);
      codec.encode_rows(data_.row(r), n, storage.data(), r, scratch);
      if (Result<void> advanced = advance(n); !advanced) return advanced;
    }
    return {};
  }

  /// Row by row, so that no second copy of the vectors is held. Rows of zeros have no relative error and do not count.
  double mean_squared_error(const Codec& codec) const {
    Workspace scratch;
    std::vector<std::byte> storage(codec.group_bytes());
    std::vector<float> decoded(data_.dim);
    double sum = 0;
    std::size_t counted = 0;
    for (std::size_t r = 0; r < data_.rows; ++r) {
      const float* x = data_.row(r);
      codec.encode(x, storage.data(), 0, scratch);
      codec.decode(storage.data(), 0, 1, decoded.data());
      double error = 0, squares = 0;
      for (std::size_t i = 0; i < data_.dim; ++i) {
        error += std::pow(static_cast<double>(x[i]) - static_cast<double>(decoded[i]), 2);
        squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      }
      if (squares == 0) continue;
      sum += error / squares;
      ++counted;
    }
    return sum / static_cast<double>(counted);
  }

  /// Scores all vectors against 8 queries at a time: look(query, first row, n, the n scores).
  template <class Look>
  Result<void> for_scores(const Codec& codec, const std::byte* storage, Look look) {
    Workspace scratch;
    Query query;
    std::vector<float> scores(kBatch * kSlice);
    for (std::size_t first = 0; first < queries_.rows; first += kBatch) {
      const std::size_t count = std::min(kBatch, queries_.rows - first);
      codec.prepare(queries_.row(first), count, data_.dim, query);
      for (std::size_t r = 0; r < data_.rows; r += kSlice) {
        const std::size_t n = std::min(kSlice, data_.rows - r);
        codec.scores(query, storage, r, n, scores.data(), kSlice, scratch);
        for (std::size_t q = 0; q < count; ++q) look(first + q, r, n, scores.data() + q * kSlice);
      }
      if (Result<void> advanced = advance(count); !advanced) return advanced;
    }
    return {};
  }

  /// Every score beside the exact inner product.
  Result<void> compare(const Codec& codec, const std::byte* storage, Pairs& pairs) {
    const std::shared_ptr<const Codec> exact = make_codec(CodecSpec{}, data_.dim).value();
    Workspace scratch;
    Query query;
    std::vector<float> truth(kSlice);
    return for_scores(codec, storage, [&](std::size_t q, std::size_t first, std::size_t n, const float* scores) {
      exact->prepare(queries_.row(q), 1, data_.dim, query);
      exact->scores(query, reinterpret_cast<const std::byte*>(data_.values.data()), first, n, truth.data(), kSlice,
                    scratch);
      for (std::size_t i = 0; i < n; ++i) {
        if (first + i != self_[q]) pairs.add(static_cast<double>(truth[i]), static_cast<double>(scores[i]));
      }
    });
  }

  /// Looks for the first `count` queries, `batch` at a time; `ranks`, unless null, says how many hits stand before each one's true nearest row. Returns
  /// queries per second.
  Result<double> search(const VectorIndex& index, std::size_t batch, std::size_t count, std::vector<std::size_t>* ranks) {
    const std::size_t most = *std::max_element(options_.k.begin(), options_.k.end());
    VectorIndex::Scratch scratch;
    double seconds = 0;
    for (std::size_t first = 0; first < count; first += batch) {
      const std::size_t n = std::min(batch, count - first);
      const auto start = SteadyClock::now();
      // A query that is a row finds itself, too.
      const auto hits = index.search(queries_.row(first), n, most + 1, scratch);
      seconds += seconds_since(start);
      if (Result<void> advanced = advance(n); !advanced) return std::unexpected(advanced.error());
      for (std::size_t q = 0; q < n && ranks != nullptr; ++q) {
        std::size_t rank = 0;
        bool found = false;
        for (const VectorIndex::Hit& hit : hits[q]) {
          found = hit.row == nearest_[first + q];
          if (found) break;
          if (hit.row != self_[first + q]) ++rank;
        }
        ranks->push_back(found ? rank : most);
      }
    }
    return static_cast<double>(count) / seconds;
  }

  VectorSet data_, queries_;
  const VectorsOptions& options_;
  VectorsReport& report_;
  const VectorsProgress& progress_;
  std::vector<std::size_t> self_;     ///< the row that a query is; data.rows when it is none
  std::vector<std::size_t> nearest_;  ///< the true nearest row of each query
  std::uint64_t done_ = 0, total_ = 0;
};

Result<std::vector<CodecSpec>> parse_codecs(const VectorSet& data, const VectorsOptions& options) {
  std::vector<CodecSpec> specs;
  for (const std::string& name : options.codecs) {
    Result<CodecSpec> spec = CodecSpec::parse(name);
    if (!spec) return fail(std::move(spec));
    spec->seed = options.seed;
    if (const auto codec = make_codec(*spec, data.dim); !codec) return std::unexpected(codec.error());
    specs.push_back(*spec);
  }
  return specs;
}

}  // namespace

Result<VectorsReport> evaluate_vectors(const VectorSet& data, const VectorSet& queries, std::string name,
                                       const VectorsOptions& options, const VectorsProgress& progress) {
  const Result<std::vector<CodecSpec>> specs = parse_codecs(data, options);
  if (!specs) return std::unexpected(specs.error());
  if (queries.rows > 0 && queries.dim != data.dim) {
    return fail(ErrorCode::kUsage, fmt::format("the queries have {} values and the vectors {}", queries.dim, data.dim));
  }
  if (data.rows < 2) return fail(ErrorCode::kUsage, "one vector has no neighbours; give at least two");
  if (options.k.empty() || options.max_queries == 0 || std::count(options.k.begin(), options.k.end(), 0U) > 0) {
    return fail(ErrorCode::kUsage, "the numbers of neighbours and of queries must be at least 1");
  }
  VectorsReport report;
  report.rows = data.rows;
  report.dim = data.dim;
  report.name = std::move(name);
  report.sha256 =
      eval::sha256_hex({reinterpret_cast<const char*>(data.values.data()), data.values.size() * sizeof(float)});
  report.k = options.k;
  Search search(data, queries, options, report, progress);
  search.set_total(search.steps(specs->size()));
  if (Result<void> found = search.find_exact(); !found) return fail(std::move(found));
  for (const CodecSpec& spec : *specs) {
    if (Result<void> done = search.run(spec); !done) return fail(std::move(done));
  }
  return report;
}

}  // namespace tq
