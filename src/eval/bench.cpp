#include "turboquant/bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/random.h"
#include "eval/provenance.h"

namespace tq {
namespace {

using Progress = std::function<bool(std::uint64_t, std::uint64_t)>;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Test {
  std::size_t n_prompt = 0, n_gen = 0;

  std::size_t tokens() const { return n_prompt + n_gen; }
};

std::vector<Test> tests_of(const BenchOptions& options) {
  std::vector<Test> tests;
  for (const std::size_t n : options.prompt) {
    if (n > 0) tests.push_back({n, 0});
  }
  for (const std::size_t n : options.generate) {
    if (n > 0) tests.push_back({0, n});
  }
  return tests;
}

/// One model with one cache.
class Bench {
 public:
  Bench(const Model& model, const BenchOptions& options, Session& session,
        const std::function<Result<void>(std::size_t)>& count)
      : options_(options), session_(session), logits_(model.config().vocab_size), count_(count) {}

  /// Leaves `depth` tokens in the cache.
  Result<void> go_to(std::size_t depth) {
    session_.truncate(depth);
    return read(depth - session_.position());
  }

  Result<double> once(const Test& test) {
    const std::size_t before = session_.position();
    const Clock::time_point start = Clock::now();
    Result<void> done = test.n_prompt > 0 ? read(test.n_prompt) : speak(test.n_gen);
    const double seconds = seconds_since(start);
    session_.truncate(before);
    if (!done) return std::unexpected(done.error());
    return seconds;
  }

 private:
  TokenId random_token() { return static_cast<TokenId>(next_random(state_) % logits_.size()); }

  /// In batches; the logits of the last token.
  Result<void> read(std::size_t n) {
    std::vector<TokenId> tokens;
    for (std::size_t done = 0; done < n; done += tokens.size()) {
      tokens.resize(std::min(options_.batch, n - done));
      for (TokenId& token : tokens) token = random_token();
      const bool last = done + tokens.size() == n;
      if (Result<void> read = append(tokens, last ? 1 : 0); !read) return read;
    }
    return {};
  }

  Result<void> speak(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      const TokenId token = random_token();
      if (Result<void> read = append({&token, 1}, 1); !read) return read;
    }
    return {};
  }

  Result<void> append(std::span<const TokenId> tokens, std::size_t n_logits) {
    if (Result<void> done = session_.append(tokens, n_logits, logits_); !done) return done;
    return count_(tokens.size());
  }

  const BenchOptions& options_;
  Session& session_;
  std::vector<float> logits_;
  const std::function<Result<void>(std::size_t)>& count_;
  std::uint64_t state_ = 1;
};

BenchRow row_of(const Model& model, const CacheSpec& cache, const Session& session, const BenchOptions& options) {
  BenchRow row;
  row.model = model.config().name;
  row.weights = model.weights_name();
  row.kv = cache.name();
  row.type_k = cache.k_name();
  row.type_v = cache.v_name();
  row.cpu = eval::cpu_name();
  row.simd = simd_target();
  row.parameters = model.footprint().parameters;
  row.weights_bytes = model.footprint().weights_bytes;
  row.kv_bytes = session.cache().bytes;
  row.n_batch = options.batch;
  return row;
}

}  // namespace

double BenchRow::mean_tps() const {
  double sum = 0;
  for (const double s : seconds) sum += static_cast<double>(tokens()) / s;
  return sum / static_cast<double>(seconds.size());
}

double BenchRow::stddev_tps() const {
  if (seconds.size() < 2) return 0;
  const double mean = mean_tps();
  double squares = 0;
  for (const double s : seconds) squares += std::pow(static_cast<double>(tokens()) / s - mean, 2);
  return std::sqrt(squares / static_cast<double>(seconds.size() - 1));
}

Result<std::vector<BenchRow>> bench(std::shared_ptr<const Model> model, const std::vector<CacheSpec>& caches,
                                    const BenchOptions& options, const Progress& progress) {
  const std::vector<Test> tests = tests_of(options);
  std::size_t longest = 0, each = 0;
  for (const Test& test : tests) {
    longest = std::max(longest, test.tokens());
    each += test.tokens() * (options.repetitions + 1);
  }
  std::vector<std::size_t> depths = options.depth;
  std::sort(depths.begin(), depths.end());
  const std::size_t deepest = depths.empty() ? 0 : depths.back();
  const std::uint64_t total = caches.size() * (deepest + depths.size() * each);
  std::uint64_t done = 0;
  const std::function<Result<void>(std::size_t)> count = [&](std::size_t n) -> Result<void> {
    done += n;
    return !progress || progress(done, total) ? Result<void>{} : fail(ErrorCode::kInterrupted, "interrupted");
  };
  const std::shared_ptr<ThreadPool> threads = make_thread_pool(
      options.threads == 0 ? 0 : std::max(options.threads, options.batch_threads), options.bound_threads);
  const unsigned token_threads = options.threads == 0 ? thread_count(*threads) : options.threads;
  const unsigned batch_threads = options.batch_threads == 0 ? token_threads : options.batch_threads;

  std::vector<BenchRow> rows;
  for (const CacheSpec& cache : caches) {
    const bool restarted = eval::restart_peak_memory();
    Result<std::unique_ptr<Session>> session =
        Session::create(model, {.cache = cache,
                                .context = std::max<std::size_t>(1, deepest + longest),
                                .batch = options.batch,
                                .threads = threads,
                                .token_threads = token_threads,
                                .batch_threads = batch_threads});
    if (!session) return std::unexpected(session.error());
    Bench bench(*model, options, **session, count);
    for (const std::size_t depth : depths) {
      if (Result<void> filled = bench.go_to(depth); !filled) return std::unexpected(filled.error());
      for (const Test& test : tests) {
        BenchRow row = row_of(*model, cache, **session, options);
        row.n_prompt = test.n_prompt;
        row.n_gen = test.n_gen;
        row.n_depth = depth;
        row.threads = std::min(test.n_gen > 0 ? token_threads : batch_threads, thread_count(*threads));
        for (std::size_t i = 0; i <= options.repetitions; ++i) {
          const Result<double> seconds = bench.once(test);
          if (!seconds) return std::unexpected(seconds.error());
          if (i > 0) row.seconds.push_back(*seconds);  // the first one warms caches and clocks up
        }
        row.peak_rss_bytes = restarted ? eval::peak_memory_bytes() : 0;
        rows.push_back(std::move(row));
      }
    }
  }
  return rows;
}

}  // namespace tq
