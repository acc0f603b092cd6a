#include "compress/tensor_rules.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <array>
#include <new>
#include <ranges>
#include <string>

namespace tq {

struct TensorRules::Rule {
  std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code;
  std::string type;
};

TensorRules::TensorRules() = default;
TensorRules::TensorRules(TensorRules&&) noexcept = default;
TensorRules::~TensorRules() = default;

Result<TensorRules> TensorRules::compile(const std::vector<TensorTypeRule>& rules) {
  TensorRules compiled;
  for (const TensorTypeRule& rule : rules) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(rule.pattern.data()), rule.pattern.size(), PCRE2_UTF,
                                     &error, &offset, nullptr);
    if (code == nullptr) {
      std::array<PCRE2_UCHAR, 256> reason{};
      pcre2_get_error_message(error, reason.data(), reason.size());
      return fail(ErrorCode::kUsage, fmt::format("the pattern '{}' is no regular expression: {}, at character {}",
                                                 rule.pattern, reinterpret_cast<const char*>(reason.data()), offset));
    }
    compiled.rules_.push_back({{code, &pcre2_code_free}, rule.type});
  }
  return compiled;
}

std::optional<std::string_view> TensorRules::type_of(std::string_view name) const {
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(pcre2_match_data_create(1, nullptr),
                                                                                 &pcre2_match_data_free);
  if (data == nullptr) throw std::bad_alloc();
  for (const Rule& rule : std::views::reverse(rules_)) {
    const int count =
        pcre2_match(rule.code.get(), reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(), 0, 0, data.get(), nullptr);
    if (count >= 0) return rule.type;
  }
  return std::nullopt;
}

}  // namespace tq
