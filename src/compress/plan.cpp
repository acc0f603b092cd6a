#include "compress/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "compress/tensor_rules.h"
#include "engine/matrix.h"
#include "formats/coded_tensors.h"
#include "formats/ggml_types.h"
#include "turboquant/plan.h"

namespace tq {
namespace {

constexpr std::string_view kKeep = "keep";
constexpr std::size_t kMaxNameBytes = 63;  // ggml keeps 64 with the NUL

/// The next codec to try where rows do not fit; empty at the end, where the tensor keeps its type.
std::string fallback_of(const CodecSpec& spec) {
  struct Fallback {
    CodecFamily family;
    const char* name;
  };
  constexpr std::array kFallbacks = {// those of llama.cpp, for rows that are no multiple of 256
                                     Fallback{CodecFamily::kQ2_K, "iq4_nl"}, Fallback{CodecFamily::kQ3_K, "iq4_nl"},
                                     Fallback{CodecFamily::kQ4_K, "q5_0"}, Fallback{CodecFamily::kQ5_K, "q5_1"},
                                     Fallback{CodecFamily::kQ6_K, "q8_0"}};
  if (spec.family == CodecFamily::kAffine) return fmt::format("tq{}", spec.bits);
  for (const Fallback& fallback : kFallbacks) {
    if (fallback.family == spec.family) return fallback.name;
  }
  return {};
}

/// Each step returns false after the first failure, which is kept in error_.
class Planner {
 public:
  Planner(const TensorFile& file, const QuantizeOptions& options, TensorRules rules)
      : file_(file), options_(options), rules_(std::move(rules)) {}

  Result<std::vector<PlannedTensor>> plan() {
    Result<std::vector<GgufTensorView>> sources = gguf_tensors(file_);
    if (!sources) return fail(std::move(sources));
    std::vector<PlannedTensor> plan;
    for (GgufTensorView& source : *sources) {
      PlannedTensor tensor{.source = std::move(source)};
      if (!plan_tensor(tensor)) return std::unexpected(error_);
      plan.push_back(std::move(tensor));
    }
    for (const auto& [name, type] : options_.plan) {
      const bool found =
          std::ranges::any_of(plan, [&](const PlannedTensor& tensor) { return tensor.report.name == name; });
      if (found) continue;
      refuse(ErrorCode::kUsage, "the plan names the tensor {}, which is not there; it is of another model", name);
      return std::unexpected(error_);
    }
    return plan;
  }

 private:
  template <class... Args>
  bool refuse(ErrorCode code, fmt::format_string<Args...> what, Args&&... args) {
    error_ = {code, fmt::format("{}: {}", file_.path(), fmt::format(what, std::forward<Args>(args)...))};
    return false;
  }

  bool plan_tensor(PlannedTensor& tensor) {
    const TensorView& view = *tensor.source.view;
    tensor.report = {.name = tensor.source.name,
                     .source_type = view.type,
                     .type = view.type,
                     .shape = view.shape,
                     .input_bytes = tensor.source.bytes(),
                     .output_bytes = tensor.source.bytes(),
                     .layer_matrix = tensor.source.layer_matrix};
    if (view.shape.empty() || view.shape.size() > 4 || tensor.source.bytes() == 0)
      return refuse(ErrorCode::kUsage, "the tensor {} has no shape that GGUF knows", view.name);
    const std::string wanted = wanted_type(tensor);
    if (wanted == kKeep || (wanted == view.type && !view.coding)) return keep(tensor);
    Result<CodecSpec> spec = CodecSpec::parse(wanted);
    if (!spec) {
      error_ = spec.error();
      return false;
    }
    if (view.coding == *spec) return keep(tensor);
    return choose_codec(tensor, *spec) && finish(tensor);
  }

  std::string wanted_type(const PlannedTensor& tensor) const {
    const TensorView& view = *tensor.source.view;
    const bool matrix = view.shape.size() == 2 || tensor.source.layer_matrix;
    if (matrix) {
      if (const auto type = rules_.type_of(tensor.source.name)) return std::string(*type);
    }
    if (const auto planned = options_.plan.find(tensor.source.name); matrix && planned != options_.plan.end())
      return planned->second;
    if (options_.plain && view.coding) return options_.type;
    const bool is_float = view.type == "f32" || view.type == "f16" || view.type == "bf16";
    const bool exact = view.shape.size() == 1 || tensor.source.name.ends_with("ffn_gate_inp.weight");
    if (options_.plain && exact && is_float) return "f32";  // what other engines expect
    const bool by_type = tensor.source.layer_matrix && !options_.type.empty();
    return by_type ? options_.type : std::string(kKeep);
  }

  bool keep(PlannedTensor& tensor) {
    const TensorView& view = *tensor.source.view;
    tensor.coding = view.coding;
    if (tensor.coding && options_.plain)
      return refuse(ErrorCode::kUsage, "the tensor {} is stored as {}, which is no type of GGUF; name one", view.name,
                    view.type);
    if (!tensor.coding && find_ggml_type(std::string_view(view.type)) == nullptr)
      return refuse(ErrorCode::kUsage, "the tensor {} is stored as {}, which GGUF does not know", view.name, view.type);
    return has_room_for_name(tensor);
  }

  /// The codec of `spec`, or of its first fallback that can code these rows.
  bool choose_codec(PlannedTensor& tensor, CodecSpec spec) {
    const std::string asked = spec.name();
    while (true) {
      Result<std::shared_ptr<const Codec>> codec = codecs_.get(spec, tensor.columns());
      const bool fits = codec && is_row_for_files(spec, tensor.columns());
      if (fits) tensor.to = *codec;
      const std::string next = fits ? "" : fallback_of(spec);
      if (next.empty()) break;
      spec = *CodecSpec::parse(next);
    }
    const std::string chosen = tensor.to == nullptr ? tensor.report.type : tensor.to->spec().name();
    if (chosen != asked) tensor.report.note = fmt::format("rows of {} do not fit {}", tensor.columns(), asked);
    return true;
  }

  bool finish(PlannedTensor& tensor) {
    const TensorView& view = *tensor.source.view;
    if (tensor.to == nullptr || tensor.to->spec().name() == view.type) {
      tensor.to = nullptr;
      return keep(tensor);
    }
    const Result<CodecSpec> from = view.coding ? Result<CodecSpec>(*view.coding) : CodecSpec::parse(view.type);
    if (!from)
      return refuse(ErrorCode::kUsage, "the tensor {} is stored as {}, which this build cannot decode", view.name,
                    view.type);
    const Result<std::shared_ptr<const Codec>> codec = codecs_.get(*from, tensor.columns());
    if (!codec) return refuse(ErrorCode::kBadFile, "the tensor {}: {}", view.name, codec.error().message);
    if (tensor.source.bytes() != (*codec)->storage_bytes(tensor.rows()))
      return refuse(ErrorCode::kBadFile, "the tensor {} has {} bytes, and its shape asks for {}", view.name,
                    tensor.source.bytes(), (*codec)->storage_bytes(tensor.rows()));
    tensor.from = *codec;
    const CodecSpec& spec = tensor.to->spec();
    tensor.report.type = spec.name();
    tensor.report.output_bytes = tensor.to->storage_bytes(tensor.rows());
    tensor.report.relative_error = std::numeric_limits<double>::quiet_NaN();
    if (find_ggml_type(std::string_view(tensor.report.type)) == nullptr) tensor.coding = spec;
    if (tensor.coding && options_.plain)
      return refuse(ErrorCode::kUsage, "{} is no type of GGUF, so that other programs could not read it", spec.name());
    return has_room_for_name(tensor);
  }

  bool has_room_for_name(const PlannedTensor& tensor) {
    const std::size_t size = tensor.source.name.size() + (tensor.coding ? kCodedSuffix.size() : 0);
    if (size <= kMaxNameBytes) return true;
    return refuse(ErrorCode::kUsage, "the tensor {} has a name too long for GGUF, which takes {} bytes",
                  tensor.source.name, kMaxNameBytes);
  }

  const TensorFile& file_;
  const QuantizeOptions& options_;
  TensorRules rules_;
  CodecCache codecs_;
  Error error_;
};

/// Every name that was asked for is one, also where it applies to no tensor.
Result<void> check_types(const QuantizeOptions& options) {
  std::vector<std::string> names;
  if (!options.type.empty()) names.push_back(options.type);
  for (const auto& [tensor, type] : options.plan) names.push_back(type);
  for (const TensorTypeRule& rule : options.tensor_types) {
    if (rule.type != kKeep) names.push_back(rule.type);
  }
  for (const std::string& name : names) {
    if (const Result<CodecSpec> spec = CodecSpec::parse(name); !spec) return std::unexpected(spec.error());
    if (options.plain && find_ggml_type(std::string_view(name)) == nullptr)
      return fail(ErrorCode::kUsage,
                  fmt::format("{} is no type of GGUF, so that other programs could not read it; f16, "
                              "q8_0 and q4_0 are",
                              name));
  }
  return {};
}

}  // namespace

std::uint64_t QuantizedTensor::elements() const {
  std::uint64_t product = 1;
  for (const std::uint64_t dimension : shape) product *= dimension;
  return product;
}

double QuantizedTensor::bits() const {
  return 8.0 * static_cast<double>(output_bytes) / static_cast<double>(elements());
}

Result<std::vector<PlannedTensor>> plan_tensors(const TensorFile& file, const QuantizeOptions& given) {
  QuantizeOptions options = given;
  if (is_average(options.type) && !options.plain) {
    Result<Plan> average = plan_average(file, options.type);
    if (!average) return fail(std::move(average));
    options.plan.merge(std::move(average->tensors));  // what is there already stays
    options.type = {};
  }
  if (Result<void> known = check_types(options); !known) return fail(std::move(known));
  Result<TensorRules> rules = TensorRules::compile(options.tensor_types);
  if (!rules) return fail(std::move(rules));
  Result<std::vector<PlannedTensor>> plan = Planner(file, options, std::move(*rules)).plan();
  if (!plan || options.importance == nullptr) return plan;
  if (Result<void> scaled = plan_prescales(*plan, file, *options.importance); !scaled) return fail(std::move(scaled));
  return plan;
}

QuantizeReport report_of(const TensorFile& file, const std::vector<PlannedTensor>& plan) {
  QuantizeReport report{.input_bytes = file.file_bytes()};
  double values = 0, bits = 0, linear_values = 0, linear_bits = 0;
  for (const PlannedTensor& tensor : plan) {
    const auto n = static_cast<double>(tensor.report.elements());
    values += n;
    bits += 8.0 * static_cast<double>(tensor.report.output_bytes);
    if (tensor.report.layer_matrix) {
      linear_values += n;
      linear_bits += 8.0 * static_cast<double>(tensor.report.output_bytes);
    }
    report.tensors.push_back(tensor.report);
  }
  report.bpw = values > 0 ? bits / values : 0;
  report.bpw_linear = linear_values > 0 ? linear_bits / linear_values : 0;
  return report;
}

}  // namespace tq
