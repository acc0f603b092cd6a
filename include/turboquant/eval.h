// What a compression cost: weights x cache against an uncompressed base, over a text.
//
// The formulas, and what each figure can and cannot show, are in docs/evaluation.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/model.h"
#include "turboquant/result.h"
#include "turboquant/session.h"
#include "turboquant/tokenizer.h"

namespace tq {

/// Figures over scored tokens, each compared with the base where it stands. Sums are in double; what is kept per
/// position, for the percentiles and the standard errors, is float. Logits that are not finite make the figures NaN,
/// never better.
class Comparison {
 public:
  /// What one position says. NaN: unknown, and unknown then in the figures, too.
  struct Position {
    double kld = std::numeric_limits<double>::quiet_NaN();
    double nll = std::numeric_limits<double>::quiet_NaN(), base_nll = std::numeric_limits<double>::quiet_NaN();
    double mean_abs = std::numeric_limits<double>::quiet_NaN(), delta_p = std::numeric_limits<double>::quiet_NaN();
    bool agreed = false;
  };
  void add(const Position& position);
  /// The logits of one position (vocab_size each) from base and candidate; `next` is the token of the text that
  /// follows.
  void add(std::span<const float> base_logits, std::span<const float> logits, TokenId next);
  /// Adds what another Comparison has seen: the same as if its positions had been added here, in its order.
  void merge(const Comparison& later);

  /// NaN where the positions do not suffice: every figure of no positions, every standard error of one.
  struct Summary {
    std::uint64_t tokens = 0;
    double ppl = 0, ppl_se = 0;  ///< exp of the mean negative log-likelihood; its standard error by the delta method
    double base_ppl = 0;         ///< the same of the base, on the same tokens
    double ppl_ratio = 0, ppl_ratio_se = 0;  ///< ppl / base_ppl; the error is of the paired differences
    double kld_mean = 0, kld_mean_se = 0;    ///< KL(base‖candidate), nats
    double kld_median = 0, kld_p99 = 0, kld_p999 = 0, kld_max = 0;
    double top1_agreement = 0;  ///< share of positions with the same most likely token
    double mae_logits = 0;      ///< mean |logit − base logit| over positions and vocabulary
    double rms_delta_p = 0;     ///< root mean square change of the probability of the text's own token
  };
  Summary summary() const;
  /// KL divergence of each position, in the order of add().
  std::span<const float> kld() const { return kld_; }
  /// −ln p(the text's own token) of each position.
  std::span<const float> nll() const { return nll_; }

  /// Every field, in order, to or from a file that an evaluation goes on from.
  template <class Archive>
  void exchange(Archive& archive) {
    archive(kld_);
    archive(nll_);
    archive(base_nll_);
    archive(agreed_);
    archive(abs_logits_);
    archive(delta_p_squared_);
  }
  /// Whether what was read can be that of so many positions.
  bool is_consistent(std::size_t positions) const {
    return kld_.size() == positions && nll_.size() == positions && base_nll_.size() == positions &&
           agreed_ <= positions;
  }

 private:
  std::vector<float> kld_, nll_, base_nll_;  // per position
  std::uint64_t agreed_ = 0;
  double abs_logits_ = 0, delta_p_squared_ = 0;  // sums over positions
};

/// Teacher-forced on the base's own greedy continuation (the measure of the Inferencer community).
class Continuation {
 public:
  /// `logits` of the candidate where the base said `base_token`.
  void add(std::span<const float> logits, TokenId base_token);

  /// NaN of no tokens.
  struct Summary {
    std::uint64_t tokens = 0;
    double token_accuracy = 0;  ///< share of tokens that the candidate's top token reproduces
    double missed_divergence =
        0;  ///< mean, over the missed tokens, of 1 − p(base token)/p(top token); 0 when none is missed
    double base_token_ppl = 0;  ///< perplexity of the candidate on the continuation
  };
  Summary summary() const;

  /// As those of Comparison; `most` tokens or fewer.
  template <class Archive>
  void exchange(Archive& archive) {
    archive(tokens_);
    archive(correct_);
    archive(missed_);
    archive(nll_);
  }
  bool is_consistent(std::size_t most) const { return tokens_ <= most && correct_ <= tokens_; }

 private:
  std::uint64_t tokens_ = 0, correct_ = 0;
  double missed_ = 0, nll_ = 0;  // sums
};

/// What changes from one row to another at the same tokens: means of the differences, token by token, with their
/// standard errors. Far sharper than two means side by side, since most of what makes a token hard is in both.
struct PairedChange {
  double kld = 0, kld_se = 0;  ///< of the KL divergence from the base, nats; below 0: the other row is closer to it
  double nll = 0, nll_se = 0;  ///< of the negative log-likelihood of the text, nats: exp() is the ratio of perplexities
};
/// Both have seen as many positions, the same ones. NaN where those do not suffice.
PairedChange change_between(const Comparison& from, const Comparison& to);

struct EvalOptions {
  /// Codec names or averages (`tt2.5`); "" is the file's own; PATH.gguf another file of it, PATH.json a plan.
  std::vector<std::string> weights = {""};
  std::vector<std::string> kv = {"f16"};  ///< cache specs; PATH.json, options behind it or none, a plan
  std::string base_kv = "f32";            ///< the cache of the base, whose weights are the file's own
  std::size_t context = 512;              ///< window, at least 3 tokens
  std::size_t chunks = 0;                 ///< windows to score; 0: all that the text has
  bool decode = false;                    ///< score token by token instead of through prefill
  bool layers = false;                    ///< measure the error of each layer, too: EvalRow::layers
  std::size_t continuations = 8;          ///< of the base, greedy, from the first halves of that many windows; 0: none
  std::size_t continuation_tokens = 64;   ///< of each; cut to context / 2
  std::uint64_t seed = 1;                 ///< of the rotations in the caches of the rows
  unsigned threads = 0;                   ///< 0: all cores
  bool noise_floor = true;                ///< false: EvalReport::noise_floor stays NaN

  /// A file in which the evaluation keeps what is done, and from which it goes on where it exists; the figures are
  /// those of an evaluation that was never interrupted, to the last digit. Empty: none.
  std::string resume = {};
  /// The base's predictions as a file of llama-perplexity (its --kl-divergence-base), to write or to take in place of
  /// text and base; then there are no continuations, no mae_logits and no noise floor. Empty: neither.
  std::string write_kld_base = {}, read_kld_base = {};
};

/// Positions from … to − 1 of a window, over all windows.
struct PositionBin {
  std::size_t from = 0, to = 0;
  double kld_mean = 0;
};

/// How far vectors are from the base's.
struct VectorError {
  double mae = 0;             ///< mean |x − base| over all values
  double cosine = 0;          ///< mean over the vectors of ⟨x, base⟩ / (‖x‖ ‖base‖)
  double relative_error = 0;  ///< √(Σ‖x − base‖² / Σ‖base‖²)
};

/// What one layer holds and computes, next to what the base has there on the same text: errors of the layers before it
/// are in it, too.
struct LayerError {
  VectorError k, v;       ///< of all tokens of a window, as attention reads them from the cache at its end
  VectorError attention;  ///< of scored tokens: what the heads give, before the output matrix
  VectorError hidden;     ///< of scored tokens: the residual stream behind the layer
};

/// One weights x cache combination. A speed that was not measured is NaN.
struct EvalRow {
  std::string weights, kv;
  std::string kv_reason = {};  ///< why this cache was chosen, where a rule chose it (cache_advice.h); else empty
  double weights_bpw = 0, weights_bpw_linear = 0;  ///< of all tensors; of the matrices of the layers
  double kv_bits_k = 0, kv_bits_v = 0;             ///< true bits per value
  std::uint64_t weights_bytes = 0, kv_bytes = 0;   ///< kv_bytes: at the window
  std::uint64_t peak_rss_bytes = 0;                ///< of the process while this row ran
  Comparison::Summary text;
  Continuation::Summary continuation;
  double prefill_tps = 0, decode_tps = 0;  ///< tokens per second
  double seconds = 0;
  std::vector<PositionBin> kld_by_position = {};  ///< the scored part of a window in at most 16 bins
  /// Of each layer, with EvalOptions::layers; empty for the base and for a model of another shape.
  std::vector<LayerError> layers = {};
};

/// Two rows of one report, by their index in EvalReport::rows; from < to.
struct RowPair {
  std::size_t from = 0, to = 0;
  PairedChange change;
};

struct EvalReport {
  struct {
    std::string name, architecture;
    std::uint64_t parameters = 0, file_bytes = 0;
  } model;
  struct {
    std::string cpu, simd;
    unsigned threads = 0;
    bool peak_rss_per_row = false;  ///< false: the system cannot restart the peak, so it is that of the process so far
  } machine;
  struct {
    std::string text, text_sha256, base, path;
    std::size_t context = 0, chunks = 0, scored_tokens = 0;
    std::size_t continuations = 0, continuation_tokens = 0;  ///< tokens: of all continuations together
    std::uint64_t seed = 0;
    std::string command = {};  ///< that made the report; empty where no command did
  } settings;
  /// The base against itself over the first window, once through prefill and once token by token, on one thread and
  /// with the kernels of another CPU target: 0 unless something is wrong, as none of these changes a bit. NaN in a
  /// report that has none. (evaluate() chooses that target for the whole process while it runs it.)
  struct {
    std::uint64_t tokens = 0;
    double kld_mean = std::numeric_limits<double>::quiet_NaN(), kld_max = std::numeric_limits<double>::quiet_NaN();
  } noise_floor;
  bool partial = false;       ///< stopped early: the figures are of the windows that were complete
  EvalRow base;               ///< compared with itself: its perplexity, size and speed
  std::vector<EvalRow> rows;  ///< weights x kv as in the options, kv the faster
  /// Each row next to each other one, ordered by `from` and then `to`; of more than 64 rows only those next to each
  /// other in the ranking by KL divergence.
  std::vector<RowPair> pairs = {};
};

/// Whether an item of EvalOptions::weights is a file and no codec: it has a slash, or ends with .gguf.
bool names_a_file(std::string_view weights);

/// `done` of `total` tokens; returns false to stop. The evaluation then ends with what all rows have in common, marked
/// partial, or with kInterrupted where no window was complete.
using Progress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

/// Windows and scoring as llama-perplexity: consecutive windows of `context` tokens, the first token of each replaced
/// by BOS where the tokenizer says so, the second half of each scored. Base and rows go through the same windows side
/// by side, so nothing larger than a few positions' logits is kept. The base is always scored through prefill.
///
/// kUsage when the text is shorter than one window, a token is not in the vocabulary, or a spec is unknown or does not
/// fit the model; all specs are looked at before anything runs. kBadFile for a damaged file of EvalOptions, kUsage for
/// one of another evaluation or vocabulary. `progress` may be empty.
Result<EvalReport> evaluate(std::shared_ptr<const TensorFile> file, const Tokenizer& tokenizer, std::string_view text,
                            std::string text_name, const EvalOptions& options, const Progress& progress);

/// Schema turboquant.eval/1 (docs/evaluation.md). A figure that is not finite is null.
std::string to_json(const EvalReport& report);
/// A table for a terminal: about 105 columns, more where a spec has a long name. Ends with a line on the size of the
/// sample.
std::string to_table(const EvalReport& report);

}  // namespace tq
