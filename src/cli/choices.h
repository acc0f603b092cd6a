// Options that several commands share, and what they choose.
#pragma once

#include <memory>
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
  /// Every spec, parsed; `fallback` when nothing was asked for. Says on standard error what another engine's name was
  /// taken to mean.
  Result<std::vector<CacheSpec>> specs(const std::string& fallback) const;
  /// The same in their canonical text form, as EvalOptions::kv.
  Result<std::vector<std::string>> names(const std::string& fallback) const;
};

/// `--weights LIST`.
struct WeightsChoice {
  std::string list;

  void add_to(CommandLine& line);
  /// As EvalOptions::weights; "" alone when nothing was asked for. Every name is looked at.
  Result<std::vector<std::string>> names() const;
};

/// `-t`, and llama.cpp's options that change nothing here.
struct EngineChoice {
  int threads = 0, threads_batch = 0;
  std::string gpu_layers, flash_attention;

  void add_to(CommandLine& line);
  /// Says on standard error what was ignored.
  void explain() const;
  /// 0: all cores.
  unsigned thread_count() const { return threads > 0 ? static_cast<unsigned>(threads) : 0U; }
};

/// `--json`.
void add_json_option(CommandLine& line, std::string& path);

/// `text` with the windows of the file at `path`, at most `chunks` (0: all), spread evenly over it.
Result<std::shared_ptr<const CalibrationText>> read_calibration(const std::string& path, const TensorFile& file,
                                                                const ModelChoice& model, std::size_t chunks,
                                                                CalibrationText text);

/// Fails, with a suggestion, unless `name` is a codec for weights, an average or a plan; empty stands for the file's
/// own.
Result<void> check_weights(const std::string& name);

}  // namespace tq::cli
