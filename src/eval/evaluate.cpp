// The order of an evaluation. First the continuations, one row after the other, so that a row's cache is alone in memory; then the
// windows, base and rows side by side in slices, so that no window of logits has to be kept.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "eval/lane.h"
#include "eval/provenance.h"
#include "eval/windows.h"

namespace tq {
namespace {

using eval::Lane;
using eval::Meter;
using eval::Pace;
using eval::Windows;

/// Positions whose logits are held at a time, for the base and for one row. It does not change a result but by rounding.
constexpr std::size_t kSlice = 64;

/// The base's greedy words after one prompt.
using Words = std::vector<TokenId>;

class Evaluation {
 public:
  Evaluation(const EvalOptions& options, const Windows& windows, std::vector<Lane>& lanes, SessionOptions session,
             const Progress& progress);

  Result<void> run(std::optional<TokenId> end_of_text);
  std::size_t continuations() const { return continuations_; }
  /// The base, and then the rows.
  std::size_t continuation_tokens() const;

 private:
  Lane& base() { return lanes_.front(); }
  std::span<Lane> rows() { return std::span(lanes_).subspan(1); }
  std::span<const TokenId> prompt(std::size_t index) const {
    return windows_.window(index).first(windows_.first_scored());
  }

  Result<void> run_alone(Lane& lane, std::optional<TokenId> end_of_text);
  Result<void> speak(std::span<const TokenId> prompt, std::optional<TokenId> end_of_text);
  Result<void> follow(Lane& row, std::span<const TokenId> prompt, const Words& words);
  Result<void> begin_window(std::span<const TokenId> window);
  Result<void> score_slice(std::span<const TokenId> tokens, std::span<const TokenId> next);
  Result<void> read_slice(Lane& row, std::span<const TokenId> tokens, std::span<float> logits);

  const EvalOptions& options_;
  const Windows& windows_;
  std::vector<Lane>& lanes_;
  SessionOptions session_;
  std::size_t continuations_, length_;
  Meter meter_;
  std::vector<Words> words_;
  std::vector<float> base_logits_, logits_;
};

}  // namespace
}  // namespace tq
