#include "text/spaces.h"

namespace tq {
namespace {

bool is_prefixed(Neighbour before, SpaceRules::Prefix prefix) {
  switch (prefix) {
    case SpaceRules::Prefix::kNever:
      return false;
    case SpaceRules::Prefix::kFirst:
      return before == Neighbour::kNothing;
    case SpaceRules::Prefix::kAfterControl:
      return before != Neighbour::kUserDefined;
    case SpaceRules::Prefix::kEachStretch:
      return true;
  }
  return false;
}

/// Each run of spaces as one; those at the ends as none, unless a user-defined token is there, which is text.
std::string without_extra_spaces(const Stretch& stretch) {
  std::string result;
  bool is_after_space = stretch.before != Neighbour::kUserDefined;
  for (const char c : stretch.text) {
    if (c != ' ' || !is_after_space) result += c;
    is_after_space = c == ' ';
  }
  if (stretch.behind != Neighbour::kUserDefined && result.ends_with(' ')) result.pop_back();
  return result;
}

}  // namespace

std::string mark_spaces(const Stretch& stretch, const SpaceRules& rules) {
  const std::string text = rules.removes_extra ? without_extra_spaces(stretch) : std::string(stretch.text);
  if (text.empty()) return text;
  std::string marked = replace_all(text, " ", kSpaceMark);
  const bool has_space = rules.prefix_unless_space && marked.starts_with(kSpaceMark);
  if (is_prefixed(stretch.before, rules.prefix) && !has_space) marked.insert(0, kSpaceMark);
  return marked;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  for (std::size_t next = text.find(from); next != text.npos; next = text.find(from)) {
    result.append(text.substr(0, next)).append(to);
    text.remove_prefix(next + from.size());
  }
  return result.append(text);
}

}  // namespace tq
