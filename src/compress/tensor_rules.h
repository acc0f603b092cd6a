// --tensor-type REGEX=SPEC: which tensor gets which type.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "turboquant/quantize.h"

namespace tq {

class TensorRules {
 public:
  /// kUsage for a pattern that PCRE2 cannot compile.
  static Result<TensorRules> compile(const std::vector<TensorTypeRule>& rules);

  TensorRules(TensorRules&&) noexcept;
  TensorRules& operator=(TensorRules&&) = delete;
  ~TensorRules();

  /// The type of the last rule whose pattern has a match in `name`; nothing when none has.
  std::optional<std::string_view> type_of(std::string_view name) const;

 private:
  struct Rule;
  TensorRules();
  std::vector<Rule> rules_;
};

}  // namespace tq
