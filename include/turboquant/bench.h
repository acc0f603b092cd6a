// How fast a model runs: llama-bench's tests, with its columns and keys, over weights and caches of any codec.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "turboquant/model.h"
#include "turboquant/result.h"
#include "turboquant/session.h"

namespace tq {

struct BenchOptions {
  std::vector<std::size_t> prompt = {512};    ///< tokens read in batches; 0: no such test
  std::vector<std::size_t> generate = {128};  ///< tokens read one by one; 0: no such test
  std::vector<std::size_t> depth = {0};       ///< tokens that the cache holds before the clock starts
  std::size_t repetitions = 5;
  std::size_t batch = 512;     ///< tokens per forward pass of a prompt
  unsigned threads = 0;        ///< 0: all cores
  unsigned batch_threads = 0;  ///< for prompts; 0: as many
  bool bound_threads = false;  ///< as make_thread_pool() has it
};

/// One test. Tokens are random ones; one logit row is computed for a prompt and one for each generated token, as
/// llama-bench does.
struct BenchRow {
  std::string model, weights, kv, type_k, type_v;
  std::string kv_reason = {};  ///< as EvalRow::kv_reason
  std::string cpu, simd;
  std::uint64_t parameters = 0, weights_bytes = 0, kv_bytes = 0;
  std::size_t n_prompt = 0, n_gen = 0, n_depth = 0, n_batch = 0;
  unsigned threads = 0;
  std::vector<double> seconds;       ///< of each repetition
  std::uint64_t peak_rss_bytes = 0;  ///< while it ran; 0 where the system does not say

  std::size_t tokens() const { return n_prompt + n_gen; }
  double mean_tps() const;
  double stddev_tps() const;  ///< of a sample; 0 for one repetition
};

/// Runs every test of `options` on `model` with each cache, in the order caches, depths, prompts, generations.
/// `progress(done, total)` counts tokens; false stops with kInterrupted. kUsage when a codec cannot code the model's
/// heads, kOutOfMemory when a cache does not fit.
Result<std::vector<BenchRow>> bench(std::shared_ptr<const Model> model, const std::vector<CacheSpec>& caches,
                                    const BenchOptions& options,
                                    const std::function<bool(std::uint64_t, std::uint64_t)>& progress = {});

/// llama-bench's table with `weights` and `kv`; its JSON array with the keys that it has here; one object for each
/// line; comma-separated values with a heading.
std::string bench_markdown(const std::vector<BenchRow>& rows);
std::string bench_json(const std::vector<BenchRow>& rows);
std::string bench_jsonl(const std::vector<BenchRow>& rows);
std::string bench_csv(const std::vector<BenchRow>& rows);

}  // namespace tq
