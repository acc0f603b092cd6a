// Options that several commands share, and what they choose.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "turboquant/quantize.h"
#include "turboquant/result.h"
#include "turboquant/session.h"
#include "turboquant/tensor_file.h"
#include "turboquant/tokenizer.h"

namespace tq::cli {

/// `-m` and `--tokenizer`. An empty path is the built-in model.
struct ModelChoice {
  std::string path, tokenizer;

  void add_to(CommandLine& line);
  /// Says on standard error when it is the built-in model.
  Result<std::shared_ptr<const TensorFile>> open() const;
  /// The tokenizer that was asked for, or the one that belongs to `file`.
  Result<std::shared_ptr<const Tokenizer>> open_tokenizer(const TensorFile& file) const;
};

/// `-f`: a text to measure on. No file is the built-in one.
struct TextChoice {
  std::string file;

  /// `use` is what the text is for: "the text to score".
  void add_to(CommandLine& line, const std::string& use);
  Result<std::string> read() const;
  /// As reports name it.
  std::string name() const;
  /// Says on standard error when it is the built-in text.
  void explain() const;
};

/// `--kv LIST`, or llama.cpp's `-ctk K -ctv V` for a list of one.
struct CacheChoice {
  std::string list, type_k, type_v;

  void add_to(CommandLine& line, const std::string& description);
  bool given() const { return !list.empty() || !type_k.empty() || !type_v.empty(); }
  /// Every spec, parsed; `fallback` when nothing was asked for. Says on standard error what another engine's name was
  /// taken to mean.
  Result<std::vector<CacheSpec>> specs(const std::string& fallback) const;
  /// The same in their canonical text form, as EvalOptions::kv.
  Result<std::vector<std::string>> names(const std::string& fallback) const;
};

/// What was chosen in the place of `auto`, and why; empty where nothing was.
struct AutomaticCache {
  std::string kv, reason;

  /// Notes the reason in `row` (EvalRow or BenchRow) where its cache is the one that was chosen.
  template <class Row>
  void note_in(Row& row) const {
    if (row.kv == kv) row.kv_reason = reason;
  }
};
/// Puts the cache that is safe for the model in the place of `auto`, and says on standard error which it is and why.
AutomaticCache choose_caches(std::vector<CacheSpec>& specs, const Model& model);
/// The same for names, among which `auto` may be; the model is loaded only then.
Result<AutomaticCache> choose_caches(std::vector<std::string>& names, const std::shared_ptr<const TensorFile>& file);

/// `--tensor-type REGEX=SPEC` of commands that compress on load.
void add_tensor_type_option(CommandLine& line, std::vector<std::string>& rules);
Result<std::vector<TensorTypeRule>> parse_tensor_types(const std::vector<std::string>& rules);
/// Puts them behind every name of --weights that is a codec or a plan (WeightsText). kUsage where none is.
Result<void> add_rules(const std::vector<std::string>& rules, std::span<std::string> weights);

/// `--weights LIST` and `--tensor-type`.
struct WeightsChoice {
  std::string list;
  std::vector<std::string> tensor_types;

  void add_to(CommandLine& line);
  /// As EvalOptions::weights; "" alone when nothing was asked for. Every name is looked at.
  Result<std::vector<std::string>> names() const;
};

/// `--plan FILE`: as much as that plan says, of weights or of the cache or of both.
struct PlanFileChoice {
  std::string path;

  void add_to(CommandLine& line);
  /// One more level of weights, of caches or of both; the only one where --weights or --kv did not ask for others. Then
  /// --tensor-type is put behind the weights.
  Result<void> add_levels(const WeightsChoice& asked_weights, std::vector<std::string>& weights,
                          const CacheChoice& asked_caches, std::vector<std::string>& caches) const;
};

/// `-t`, and llama.cpp's options that change nothing here.
struct EngineChoice {
  int threads = 0, threads_batch = 0, bound = 0;
  bool mapped = false;
  WeightsPlace place() const { return mapped ? WeightsPlace::kFile : WeightsPlace::kLargePages; }
  std::string gpu_layers, flash_attention;

  void add_to(CommandLine& line);
  /// The same, and what commands that generate have besides: `--mmap`, `--cpu-strict` and a `-tb` that counts.
  void add_all_to(CommandLine& line);
  /// Says on standard error what was ignored.
  void explain() const;
  /// 0: all cores.
  unsigned thread_count() const { return threads > 0 ? static_cast<unsigned>(threads) : 0U; }
  /// Threads for prompts; 0: all cores.
  unsigned batch_thread_count() const {
    return threads_batch > 0 ? static_cast<unsigned>(threads_batch) : thread_count();
  }
  /// Threads of a session that has both.
  unsigned most_threads() const {
    return thread_count() == 0 || batch_thread_count() == 0 ? 0 : std::max(thread_count(), batch_thread_count());
  }

 private:
  void add_common_to(CommandLine& line);
};

/// `--json`.
void add_json_option(CommandLine& line, std::string& path);

/// `text` with the windows of the file at `path`, at most `chunks` (0: all), spread evenly over it.
Result<std::shared_ptr<const CalibrationText>> read_calibration(const std::string& path, const TensorFile& file,
                                                                const ModelChoice& model, std::size_t chunks,
                                                                CalibrationText text);

/// Fails, with a suggestion, unless `text` (WeightsText) has a codec for weights, an average or a plan, and good rules;
/// empty stands for the file's own.
Result<void> check_weights(const std::string& text);

}  // namespace tq::cli
