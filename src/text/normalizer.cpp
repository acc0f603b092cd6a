#include "text/normalizer.h"

#include "text/spaces.h"

namespace tq {
namespace {

struct Apply {
  std::string_view text;

  std::string operator()(NormalizationForm form) const { return normalize(text, form); }
  std::string operator()(const Normalizer::Replace& step) const { return replace_all(text, step.from, step.to); }
  std::string operator()(const std::shared_ptr<const Charsmap>& map) const { return map->apply(text); }

  std::string operator()(const Normalizer::ReplaceSpaces& step) const {
    std::string result;
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t end = std::min(text.find_first_not_of(' ', i), text.size());
      if (end - i >= 2) {
        result += step.to;
        i = end;
      } else {
        result += text[i++];
      }
    }
    return result;
  }

  std::string operator()(const Normalizer::Strip& step) const {
    std::string_view rest = text;
    while (step.left && !rest.empty()) {
      const Utf8Character first = first_utf8_character(rest);
      if (!is_white_space(first.code_point)) break;
      rest.remove_prefix(first.size);
    }
    while (step.right && !rest.empty()) {
      const Utf8Character last = last_utf8_character(rest);
      if (!is_white_space(last.code_point)) break;
      rest.remove_suffix(last.size);
    }
    return std::string(rest);
  }
};

}  // namespace

void Normalizer::add(Step step) { steps_.push_back(std::move(step)); }

std::string Normalizer::apply(std::string_view text) const {
  std::string result(text);
  for (const Step& step : steps_) result = std::visit(Apply{result}, step);
  return result;
}

}  // namespace tq
