#include "compress/prescale.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>

#include "compress/encode_tensor.h"
#include "compress/plan.h"

namespace tq {
namespace {

constexpr double kExponent = 0.25;
constexpr float kMostStretch = 4;          // a text may have shown a column too seldom, or one of its tokens too much
constexpr std::size_t kSampledRows = 256;  // tell Σ_i w_ij² to a tenth, and the factor to a fortieth

/// sums[j] += Σ_i w_ij² over some rows, times what they stand for.
void add_squares(const PlannedTensor& tensor, std::vector<double>& sums) {
  const std::size_t rows = tensor.rows(), n = std::min<std::size_t>(rows, kSampledRows);
  std::vector<float> row(tensor.columns());
  for (std::size_t i = 0; i < n; ++i) {
    decode_source_rows(tensor, i * rows / n, 1, row.data());
    for (std::size_t j = 0; j < row.size(); ++j)
      sums[j] += static_cast<double>(row[j]) * static_cast<double>(row[j]) * static_cast<double>(rows) /
                 static_cast<double>(n);
  }
}

class Planner {
 public:
  Planner(std::vector<PlannedTensor>& plan, const TensorFile& file, const ModelConfig& config,
          const ImportanceMatrix& importance)
      : file_(file), config_(config), importance_(importance) {
    for (PlannedTensor& tensor : plan) tensors_[tensor.report.name] = &tensor;
  }

  Result<void> plan() {
    const std::size_t groups = config_.n_heads / config_.n_kv_heads;
    for (std::size_t layer = 0; layer < config_.n_layers; ++layer) {
      const std::string blk = fmt::format("blk.{}.", layer);
      bool sound = scale(blk, {"attn_q", "attn_k", "attn_v", "attn_qkv"}, "attn_norm", 1);
      sound = sound && (find(blk + "attn_v.weight") == nullptr || scale(blk, {"attn_output"}, "attn_v", groups));
      if (config_.n_experts == 0) {
        sound = sound && scale(blk, {"ffn_gate", "ffn_up"}, "ffn_norm", 1);
        const bool separate = config_.gated && find(blk + "ffn_gate.weight") != nullptr;
        sound = sound && (!separate || scale(blk, {"ffn_down"}, "ffn_up", 1));
      }
      if (!sound) return std::unexpected(error_);
    }
    if (scaled_ > 0) return {};
    return fail(
        ErrorCode::kUsage,
        fmt::format("{}: the importance matrix changes nothing: it is for types that rotate (tq, tt), and must be of "
                    "this model",
                    file_.path()));
  }

 private:
  PlannedTensor* find(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : found->second;
  }

  /// False for an error. Nothing is scaled where one of the matrices cannot be.
  bool scale(const std::string& blk, std::initializer_list<const char*> readers, const std::string& maker,
             std::size_t repeated) {
    auto prescale = std::make_shared<Prescale>();
    for (const char* reader : readers) {
      PlannedTensor* tensor = find(blk + reader + ".weight");
      if (tensor == nullptr) continue;
      if (tensor->to == nullptr || tensor->to->spec().rotation == RotationKind::kNone) return true;
      prescale->readers.push_back(tensor);
      const auto squares = importance_.squares.find(tensor->report.name);
      if (squares == importance_.squares.end()) continue;
      if (squares->second.size() != tensor->columns()) {
        error_ = {ErrorCode::kBadFile,
                  fmt::format(
                      "{}: the importance matrix has {} values for the tensor {} of {} columns; it is of another model",
                      file_.path(), squares->second.size(), tensor->report.name, tensor->columns())};
        return false;
      }
      prescale->squares = squares->second;
    }
    PlannedTensor *weight = find(blk + maker + ".weight"), *bias = find(blk + maker + ".bias");
    if (prescale->squares.empty() || weight == nullptr) return true;
    const bool is_norm = weight->report.shape.size() == 1;
    const std::size_t made = is_norm ? weight->columns() : weight->rows();
    if (made * repeated != prescale->squares.size() || (!is_norm && weight->to == nullptr)) return true;
    prescale->run = repeated == 1 ? prescale->squares.size() : config_.head_dim;
    prescale->repeated = repeated;
    for (PlannedTensor* tensor : {weight, bias}) {
      if (tensor == nullptr) continue;
      if (tensor->report.shape.size() == 1 && !as_floats(*tensor)) return false;
      tensor->makes = prescale;
    }
    for (const PlannedTensor* reader : prescale->readers) tensors_[reader->report.name]->reads = prescale;
    ++scaled_;
    return true;
  }

  /// A norm or a bias, which was to be copied.
  bool as_floats(PlannedTensor& tensor) {
    const Result<CodecSpec> stored = CodecSpec::parse(tensor.source.view->type);
    const auto from = stored ? make_codec(*stored, tensor.columns()) : std::unexpected(stored.error());
    const auto to = make_codec(*CodecSpec::parse("f32"), tensor.columns());
    if (!from || !to) {
      error_ = from ? to.error() : from.error();
      return false;
    }
    tensor.from = *from;
    tensor.to = *to;
    tensor.report.type = "f32";
    tensor.report.output_bytes = (*to)->storage_bytes(1);
    return true;
  }

  const TensorFile& file_;
  const ModelConfig& config_;
  const ImportanceMatrix& importance_;
  std::map<std::string, PlannedTensor*> tensors_;
  std::size_t scaled_ = 0;
  Error error_;
};

}  // namespace

void Prescale::make() {
  if (!columns.empty()) return;
  const std::size_t n = squares.size(), shared = n / repeated;
  std::vector<double> weights(n), inputs(shared), energy(shared);
  for (const PlannedTensor* reader : readers) add_squares(*reader, weights);
  const auto place = [&](std::size_t j) { return j / run / repeated * run + j % run; };
  for (std::size_t j = 0; j < n; ++j) {
    inputs[place(j)] += static_cast<double>(squares[j]);
    energy[place(j)] += weights[j];
  }
  double logs = 0, known = 0;
  for (std::size_t j = 0; j < shared; ++j) {
    if (!(inputs[j] > 0) || !(energy[j] > 0)) continue;
    logs += kExponent * std::log(inputs[j] / energy[j]);
    ++known;
  }
  const double mean = known > 0 ? logs / known : 0;
  made.assign(shared, 1);
  for (std::size_t j = 0; j < shared; ++j) {
    if (!(energy[j] > 0)) continue;
    const double factor = inputs[j] > 0 ? std::exp(kExponent * std::log(inputs[j] / energy[j]) - mean) : 0;
    made[j] = std::clamp(static_cast<float>(factor), 1 / kMostStretch, kMostStretch);
  }
  columns.resize(n);
  for (std::size_t j = 0; j < n; ++j) columns[j] = made[place(j)];
}

Result<void> plan_prescales(std::vector<PlannedTensor>& plan, const TensorFile& file,
                            const ImportanceMatrix& importance) {
  const Result<ModelConfig> config = read_model_config(file);
  if (!config) return std::unexpected(config.error());
  return Planner(plan, file, *config, importance).plan();
}

}  // namespace tq
