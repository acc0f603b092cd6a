// The work of an evaluation, in an order that can stop and go on: first the continuations, one lane after the other, so
// that a lane's cache is alone in memory; then the windows, base and rows side by side in slices, so that no window of
// logits has to be kept.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/base_slice.h"
#include "eval/checkpoint.h"
#include "eval/lane.h"
#include "eval/windows.h"
#include "formats/kld_base.h"
#include "turboquant/eval.h"

namespace tq::eval {

/// Writes what is done at most so often that writing takes a twentieth of the time.
class Keeper {
 public:
  /// `path` empty: keeps nothing.
  Keeper(std::string path, std::string description) : path_(std::move(path)), description_(std::move(description)) {}

  bool keeps() const { return !path_.empty(); }
  const std::string& description() const { return description_; }
  bool is_due() const { return keeps() && std::chrono::steady_clock::now() >= next_; }
  Result<void> keep(EvalState state);

 private:
  std::string path_, description_;
  std::chrono::steady_clock::time_point next_ = {};
};

/// Where the base's predictions come from or go to, other than its own session.
struct BaseFiles {
  const KldBase* in = nullptr;
  KldBaseWriter* out = nullptr;
};

/// Everything that it is given outlives it. One thread at a time.
class Evaluation {
 public:
  Evaluation(const EvalOptions& options, const Windows& windows, std::vector<Lane>& lanes, SessionOptions session,
             BaseFiles files);

  /// What state() was; it fits the lanes and windows.
  void restore(EvalState state);
  Result<void> run(std::optional<TokenId> end_of_text, const Progress& progress, Keeper& keeper);
  std::size_t continuations() const { return continuations_; }
  std::size_t continuation_length() const { return length_; }
  /// Those that every lane has ended.
  std::size_t scored_windows() const { return scored_windows_; }
  std::size_t continuation_tokens() const;
  /// The base against itself: token by token, on one thread, with the kernels of another CPU target.
  Comparison::Summary floor() const { return floor_.row(windows_.first_scored()).text; }

 private:
  Lane& base() { return lanes_.front(); }
  std::span<Lane> rows() { return std::span(lanes_).subspan(1); }
  /// Those that read the text: a base out of a file does not.
  std::span<Lane> readers() { return files_.in == nullptr ? std::span(lanes_) : rows(); }
  bool measures_floor() const { return options_.noise_floor && files_.in == nullptr && scored_windows_ == 0; }
  std::span<const TokenId> prompt(std::size_t index) const {
    return windows_.window(index).first(windows_.first_scored());
  }
  std::uint64_t remaining_tokens();
  EvalState state() const;

  Result<void> run_windows(Keeper& keeper);
  Result<void> run_alone(Lane& lane, std::optional<TokenId> end_of_text);
  Result<void> speak(std::span<const TokenId> prompt, std::optional<TokenId> end_of_text);
  Result<void> follow(Lane& row, std::span<const TokenId> prompt, const Words& words);
  Result<void> score_window(std::size_t index);
  Result<void> begin_window(std::span<const TokenId> window);
  Result<void> read_base(std::size_t window, std::size_t first, std::span<const TokenId> tokens);
  Result<void> score_slice(std::span<const TokenId> tokens, std::span<const TokenId> next);
  Result<void> read_slice(Lane& row, std::span<const TokenId> tokens, std::span<float> logits);
  Result<void> read_by_token(Lane& row, std::span<const TokenId> tokens, std::span<float> logits);

  const EvalOptions& options_;
  const Windows& windows_;
  std::vector<Lane>& lanes_;  // the base, and then the rows
  Lane floor_;
  SessionOptions session_;
  BaseFiles files_;
  std::size_t continuations_, length_, alone_ = 0, scored_windows_ = 0;
  Meter meter_;
  std::vector<Words> words_;
  BaseSlice base_slice_;
  std::vector<float> logits_;
};

}  // namespace tq::eval
