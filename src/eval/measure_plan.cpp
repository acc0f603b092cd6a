// What each group of matrices, and the keys and the values of each layer, cost at each width, by running the model with
// that group alone compressed. The error of
// the logits is nearly proportional to the error of the weights down to about 3 bits (HIGGS: arXiv 2411.17525, §3), so
// that wider codes follow from the last one that was measured; narrower ones are measured.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "compress/calibrate.h"
#include "engine/architectures.h"
#include "engine/kv_cache.h"
#include "engine/loaded_model.h"
#include "eval/windows.h"
#include "quant/feedback_encoder.h"
#include "turboquant/eval.h"
#include "turboquant/plan.h"
#include "turboquant/session.h"

namespace tq {
namespace {

struct GroupRoles {
  const char* name;
  std::vector<TensorRole> roles;
};

const std::vector<GroupRoles>& group_roles() {
  static const std::vector<GroupRoles> roles = {{"attn_q", {TensorRole::kQuery}},
                                                {"attn_k", {TensorRole::kKey}},
                                                {"attn_v", {TensorRole::kValue}},
                                                {"attn_output", {TensorRole::kAttentionOutput}},
                                                {"ffn_gate+up", {TensorRole::kGate, TensorRole::kUp}},
                                                {"ffn_down", {TensorRole::kDown}}};
  return roles;
}

class Measurement {
 public:
  Measurement(std::shared_ptr<const Model> model, const Architecture& architecture, const MeasureOptions& options)
      : base_(std::static_pointer_cast<const LoadedModel>(std::move(model))),
        probe_(std::make_shared<LoadedModel>(*base_)),
        architecture_(architecture),
        options_(options),
        pool_(make_thread_pool(options.threads)) {}

  Result<void> read_base(eval::Windows windows) {
    windows_ = std::move(windows);
    Result<std::unique_ptr<Session>> session = open_session(probe_, *CacheSpec::parse("f32"));
    if (!session) return fail(std::move(session));
    session_ = std::move(*session);
    logits_.resize(windows_.scored_per_window() * vocab());
    base_logits_.resize(windows_.count() * logits_.size());
    for (std::size_t w = 0; w < windows_.count(); ++w) {
      const std::span<float> out = std::span(base_logits_).subspan(w * logits_.size(), logits_.size());
      if (Result<void> read = read_window(*session_, w, out); !read) return read;
    }
    return {};
  }

  /// The same for the keys or the values of a layer. Every candidate is measured: what few bits cost is not in
  /// proportion to the error of the rows, since softmax is not linear.
  Result<void> measure_cache(std::size_t layer, CacheSide side, PlanGroup& group) {
    const ModelConfig& config = base_->config();
    const CacheSpec exact = *CacheSpec::parse("f32");
    CodecSpec CacheCodecs::*const codec = side == CacheSide::kKeys ? &CacheCodecs::k : &CacheCodecs::v;
    const std::uint64_t exact_bytes = cache_footprint(config, exact, kPlanTokens)->bytes;
    group.name = fmt::format("layer.{}.{}", layer, side == CacheSide::kKeys ? "k" : "v");
    group.values = std::uint64_t{config.n_kv_heads} * config.head_dim * kPlanTokens;
    for (const std::string& name : options_.cache_codecs) {
      const Result<CacheSpec> candidate = CacheSpec::parse(name);
      if (!candidate) return std::unexpected(candidate.error());
      CacheSpec spec = exact;
      spec.plan = name;
      spec.layers.assign(config.n_layers, {exact.k, exact.v});
      spec.layers[layer].*codec = CacheCodecs{candidate->k, candidate->v}.*codec;
      const Result<CacheFootprint> footprint = cache_footprint(config, spec, kPlanTokens);
      if (!footprint) return std::unexpected(footprint.error());
      Result<std::unique_ptr<Session>> session = open_session(base_, spec);
      if (!session) return fail(std::move(session));
      const Result<double> kld = divergence(**session);
      if (!kld) return std::unexpected(kld.error());
      const std::uint64_t bytes = footprint->bytes + sizeof(float) * group.values - exact_bytes;
      group.options.push_back({.codec = name, .bytes = bytes, .kld = *kld, .measured = true});
    }
    return {};
  }

  /// Options of `group` in turn, the narrowest first.
  Result<void> measure(std::size_t layer, const GroupRoles& roles, PlanGroup& group) {
    group.name = fmt::format("blk.{}.{}", layer, roles.name);
    for (const TensorRole role : roles.roles) {
      group.tensors.push_back(architecture_.gguf_name(role, layer) + ".weight");
      const Matrix& matrix = probe_->matrix(layer, role);
      group.values += matrix.rows * matrix.cols;
    }
    double known_error = 0;
    for (std::size_t c = 0; c < options_.codecs.size(); ++c) {
      PlanOption option{.codec = options_.codecs[c], .measured = c < options_.measured};
      double error = 0;
      if (Result<void> coded = code(layer, roles, option, error); !coded) return coded;
      if (option.measured) {
        const Result<double> kld = divergence(*session_);
        if (!kld) return std::unexpected(kld.error());
        option.kld = *kld;
        known_error = error;
      } else {
        option.kld = known_error > 0 ? group.options[options_.measured - 1].kld * error / known_error : 0;
      }
      group.options.push_back(std::move(option));
    }
    for (const TensorRole role : roles.roles) probe_->matrix(layer, role) = base_->matrix(layer, role);
    return {};
  }

 private:
  std::size_t vocab() const { return base_->config().vocab_size; }

  Result<std::unique_ptr<Session>> open_session(std::shared_ptr<const Model> model, const CacheSpec& cache) const {
    return Session::create(std::move(model),
                           {.cache = cache, .context = windows_.context, .batch = windows_.context, .threads = pool_});
  }

  Result<void> read_window(Session& session, std::size_t w, std::span<float> logits) const {
    session.truncate(0);
    const std::span<const TokenId> window = windows_.window(w).first(windows_.end_scored());
    return session.append(window, windows_.scored_per_window(), logits);
  }

  /// Puts the codes of `option` into the probe; `error` is ‖W − Ŵ‖² / ‖W‖².
  Result<void> code(std::size_t layer, const GroupRoles& roles, PlanOption& option, double& error) {
    const Result<CodecSpec> spec = CodecSpec::parse(option.codec);
    if (!spec) return std::unexpected(spec.error());
    double squares = 0, energy = 0;
    for (const TensorRole role : roles.roles) {
      const Matrix& from = base_->matrix(layer, role);
      Matrix& to = probe_->matrix(layer, role);
      to = from;
      if (Result<void> coded = recode(to, *spec, codecs_, *pool_); !coded) return coded;
      option.bytes += to.bytes.size();
      add_error(from, to, squares, energy);
    }
    error = energy > 0 ? squares / energy : 0;
    return {};
  }

  void add_error(const Matrix& from, const Matrix& to, double& squares, double& energy) {
    std::vector<float> a(from.cols), b(from.cols);
    const std::size_t step = std::max<std::size_t>(1, from.rows / 64);  // some rows tell enough
    for (std::size_t r = 0; r < from.rows; r += step) {
      from.decode(r, 1, a.data());
      to.decode(r, 1, b.data());
      for (std::size_t i = 0; i < a.size(); ++i) {
        const double value = static_cast<double>(a[i]), difference = value - static_cast<double>(b[i]);
        squares += difference * difference;
        energy += value * value;
      }
    }
  }

  Result<double> divergence(Session& session) {
    Comparison comparison;
    for (std::size_t w = 0; w < windows_.count(); ++w) {
      if (Result<void> read = read_window(session, w, logits_); !read) return std::unexpected(read.error());
      const std::size_t n = windows_.scored_per_window();
      const float* base = base_logits_.data() + w * logits_.size();
      for (std::size_t i = 0; i < n; ++i) {
        comparison.add({base + i * vocab(), vocab()}, {logits_.data() + i * vocab(), vocab()},
                       windows_.window(w)[windows_.first_scored() + i + 1]);
      }
    }
    return comparison.summary().kld_mean;
  }

  std::shared_ptr<const LoadedModel> base_;
  std::shared_ptr<LoadedModel> probe_;  // base_ but for the group that is measured
  const Architecture& architecture_;
  const MeasureOptions& options_;
  std::shared_ptr<ThreadPool> pool_;
  CodecCache codecs_;
  eval::Windows windows_;
  std::unique_ptr<Session> session_;
  std::vector<float> base_logits_, logits_;
};

Result<void> check(const MeasureOptions& options) {
  if ((options.codecs.empty() && options.cache_codecs.empty()) || options.measured == 0)
    return fail(ErrorCode::kUsage, "a plan needs codecs to choose from, and one of them to be measured");
  for (const std::vector<std::string>* names : {&options.codecs, &options.cache_codecs}) {
    for (const std::string& name : *names) {
      if (const Result<CodecSpec> spec = CodecSpec::parse(name); !spec) return std::unexpected(spec.error());
    }
  }
  return {};
}

/// What calibration will leave of the divergences: the error of a group's outputs, to which they are proportional,
/// shrinks by the gain of its inputs.
Result<void> expect_feedback(Plan& plan, const TensorFile& file, const MeasureOptions& options) {
  ThreadPool pool(options.threads);
  const Result<std::unique_ptr<Calibrator>> calibrator = Calibrator::create(file, *options.calibration, pool);
  if (!calibrator) return std::unexpected(calibrator.error());
  for (PlanGroup& group : plan.groups) {
    for (PlanOption& option : group.options) {
      const CodecSpec spec = *CodecSpec::parse(option.codec);
      if (!FeedbackEncoder::knows(spec) || !(*calibrator)->sees(group.tensors.front())) continue;
      const Result<double> gain = (*calibrator)->gain(group.tensors.front(), spec);  // the others read the same
      if (!gain) return std::unexpected(gain.error());
      option.kld *= *gain;
    }
  }
  return {};
}

}  // namespace

Result<Plan> measure_plan(std::shared_ptr<const TensorFile> file, const Tokenizer& tokenizer, std::string_view text,
                          const MeasureOptions& options, const MeasureProgress& progress) {
  if (Result<void> checked = check(options); !checked) return std::unexpected(checked.error());
  const Result<const Architecture*> architecture = find_architecture(*file);
  if (!architecture) return std::unexpected(architecture.error());
  Result<std::shared_ptr<const Model>> model = Model::load(file, {.weights = {}, .threads = options.threads});
  if (!model) return fail(std::move(model));
  const ModelConfig config = (*model)->config();
  if (!options.codecs.empty() &&
      (config.n_experts > 0 || !config.gated || (*architecture)->fused_attention || (*architecture)->fused_gate))
    return fail(
        ErrorCode::kUsage,
        fmt::format("{}: plans are measured for models without experts whose query, key, value, gate and up are "
                    "tensors of their own; an average (tt2.5) or --tensor-type mixes widths for this one",
                    file->path()));
  Result<eval::Windows> windows =
      eval::cut_windows(text, tokenizer, config.vocab_size, options.context, options.chunks);
  if (!windows) return fail(std::move(windows));
  Measurement measurement(*model, **architecture, options);
  if (Result<void> read = measurement.read_base(std::move(*windows)); !read) return std::unexpected(read.error());
  Plan plan{.model = config.name, .method = "measured"};
  const std::size_t kinds = options.codecs.empty() ? 0 : group_roles().size(),
                    sides = options.cache_codecs.empty() ? 0 : 2;
  const std::uint64_t total = config.n_layers * (kinds + sides);
  const auto go_on = [&]() -> Result<void> {
    if (!progress || progress(plan.groups.size() + plan.cache_groups.size(), total)) return {};
    return fail(ErrorCode::kInterrupted, "stopped before all groups were measured; no plan was written");
  };
  for (std::size_t layer = 0; layer < config.n_layers; ++layer) {
    for (std::size_t kind = 0; kind < kinds; ++kind) {
      Result<void> done = measurement.measure(layer, group_roles()[kind], plan.groups.emplace_back());
      if (done) done = go_on();
      if (!done) return std::unexpected(done.error());
    }
    for (std::size_t side = 0; side < sides; ++side) {
      const CacheSide which = side == 0 ? CacheSide::kKeys : CacheSide::kValues;
      Result<void> done = measurement.measure_cache(layer, which, plan.cache_groups.emplace_back());
      if (done) done = go_on();
      if (!done) return std::unexpected(done.error());
    }
  }
  if (options.calibration == nullptr || plan.groups.empty()) return plan;
  if (Result<void> scaled = expect_feedback(plan, *file, options); !scaled) return std::unexpected(scaled.error());
  plan.method = "measured, for calibration";
  return plan;
}

}  // namespace tq
