#include "turboquant/size_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "compress/plan.h"
#include "turboquant/codec.h"

namespace tq {
namespace {

using Types = std::map<std::string, std::string>;  // GGUF name → codec name

/// What a tensor of the output takes with one of the codecs.
using Sizes = std::map<std::string, std::uint64_t>;

class TargetPlanner {
 public:
  TargetPlanner(const TensorFile& file, const SizeTarget& target, const QuantizeOptions& options)
      : file_(file), target_(target), options_(options) {
    options_.type = {};
    options_.plan = {};
  }

  Result<Types> by_rule() {
    const Result<std::vector<std::string>> matrices = matrices_by_need(file_);
    if (!matrices) return std::unexpected(matrices.error());
    if (Result<void> sized = measure(target_.codecs); !sized) return std::unexpected(sized.error());
    return shrink([&](std::uint64_t budget) { return share_out(*matrices, budget); });
  }

  Result<Types> by_groups(std::vector<PlanGroup> groups) {
    std::vector<std::string> codecs;
    for (const PlanGroup& group : groups) {
      for (const PlanOption& option : group.options) codecs.push_back(option.codec);
    }
    std::ranges::sort(codecs);
    codecs.erase(std::ranges::unique(codecs).begin(), codecs.end());
    if (Result<void> sized = measure(codecs); !sized) return std::unexpected(sized.error());
    for (PlanGroup& group : groups) {
      for (PlanOption& option : group.options) {
        option.bytes = 0;
        for (const std::string& tensor : group.tensors) option.bytes += sizes_.at(option.codec)[tensor];
      }
    }
    return shrink([&](std::uint64_t budget) { return choose(groups, budget); });
  }

 private:
  /// Sizes of the matrices with each codec, and of those that no codec was asked for.
  Result<void> measure(const std::vector<std::string>& codecs) {
    if (codecs.empty()) return fail(ErrorCode::kUsage, "a target size needs codecs to choose from");
    for (const std::string& codec : codecs) {
      if (const Result<CodecSpec> spec = CodecSpec::parse(codec); !spec) return std::unexpected(spec.error());
      QuantizeOptions all = options_;
      all.type = codec;
      const Result<QuantizeReport> report = plan_quantize(file_, all);
      if (!report) return std::unexpected(report.error());
      for (const QuantizedTensor& tensor : report->tensors) {
        if (tensor.layer_matrix) sizes_[codec][tensor.name] = tensor.output_bytes;
      }
    }
    return {};
  }

  static std::uint64_t matrix_bytes(const QuantizeReport& report) {
    std::uint64_t sum = 0;
    for (const QuantizedTensor& tensor : report.tensors) sum += tensor.layer_matrix ? tensor.output_bytes : 0;
    return sum;
  }

  Result<QuantizeReport> report_of(const Types& types) const {
    QuantizeOptions planned = options_;
    planned.plan = types;
    return plan_quantize(file_, planned);
  }

  /// How much more than the target a file takes; negative when there is room.
  std::int64_t excess(const QuantizeReport& report) const {
    if (target_.file_bytes)
      return static_cast<std::int64_t>(report.output_bytes) - static_cast<std::int64_t>(*target_.file_bytes);
    std::uint64_t weights = 0;
    for (const QuantizedTensor& tensor : report.tensors) weights += tensor.layer_matrix ? tensor.elements() : 0;
    const double allowed = *target_.bits * static_cast<double>(weights) / 8;
    return static_cast<std::int64_t>(matrix_bytes(report)) - static_cast<std::int64_t>(allowed);
  }

  /// `make` turns a budget for the matrices of the layers into types. What the rest of the file takes depends a little
  /// on the types (lines of the header, padding), so that the first budget may be too much.
  template <class Make>
  Result<Types> shrink(const Make& make) {
    Result<Types> types = make(0);
    if (!types) return types;
    const Result<QuantizeReport> smallest = report_of(*types);
    if (!smallest) return std::unexpected(smallest.error());
    if (excess(*smallest) > 0) return refuse(*smallest);
    std::uint64_t budget = matrix_bytes(*smallest) + static_cast<std::uint64_t>(-excess(*smallest));
    while (true) {
      types = make(budget);
      if (!types) return types;
      const Result<QuantizeReport> report = report_of(*types);
      if (!report) return std::unexpected(report.error());
      const std::int64_t over = excess(*report);
      if (over <= 0) return types;
      budget = matrix_bytes(*report) - std::min(matrix_bytes(*report), static_cast<std::uint64_t>(over));
    }
  }

  std::unexpected<Error> refuse(const QuantizeReport& smallest) const {
    if (target_.file_bytes)
      return fail(ErrorCode::kUsage,
                  fmt::format("{}: {} bytes are too few: the smallest file that these codecs make has {} bytes",
                              file_.path(), *target_.file_bytes, smallest.output_bytes));
    return fail(
        ErrorCode::kUsage,
        fmt::format("{}: {} bits a weight are too few: the fewest that these codecs take in the matrices of the layers "
                    "are {:.3f}",
                    file_.path(), *target_.bits, std::ceil(smallest.bpw_linear * 1000) / 1000));
  }

  /// The rule of averages, between two neighbours of the candidates; the narrowest when even that is too much.
  Result<Types> share_out(const std::vector<std::string>& matrices, std::uint64_t budget) {
    std::size_t level = 0;
    std::uint64_t used = 0;
    for (std::size_t i = 0; i < target_.codecs.size(); ++i) {
      std::uint64_t sum = 0;
      for (const auto& [tensor, bytes] : sizes_.at(target_.codecs[i])) sum += bytes;
      if (i > 0 && sum > budget) break;
      level = i;
      used = sum;
    }
    Types types;
    for (const std::string& tensor : matrices) {
      std::size_t chosen = level;
      if (level + 1 < target_.codecs.size()) {
        const std::uint64_t more =
            used - sizes_.at(target_.codecs[level])[tensor] + sizes_.at(target_.codecs[level + 1])[tensor];
        if (more <= budget) {
          chosen = level + 1;
          used = more;
        }
      }
      types[tensor] = target_.codecs[chosen];
    }
    return types;
  }

  /// The knapsack of the groups; the smallest options when even those are too much.
  static Result<Types> choose(const std::vector<PlanGroup>& groups, std::uint64_t budget) {
    Plan plan{.groups = groups};
    std::uint64_t fewest = 0;
    for (const PlanGroup& group : groups) fewest += std::ranges::min(group.options, {}, &PlanOption::bytes).bytes;
    if (Result<void> solved = solve_weights(plan, {.bytes = std::max(budget, fewest), .kld = {}}); !solved)
      return std::unexpected(solved.error());
    return plan.tensors;
  }

  const TensorFile& file_;
  const SizeTarget& target_;
  QuantizeOptions options_;
  std::map<std::string, Sizes> sizes_;
};

}  // namespace

Result<Types> plan_for_target(const TensorFile& file, const SizeTarget& target, const QuantizeOptions& options,
                              std::vector<PlanGroup> groups) {
  TargetPlanner planner(file, target, options);
  return groups.empty() ? planner.by_rule() : planner.by_groups(std::move(groups));
}

}  // namespace tq
