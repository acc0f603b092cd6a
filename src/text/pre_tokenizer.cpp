#include "text/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <cassert>
#include <limits>
#include <optional>

namespace tq {

namespace {

/// The pattern in PCRE2's words. Its \s would also match U+180E, which has not been white space since Unicode 6.3.
std::string with_white_space(std::string_view pattern) {
  constexpr std::string_view kWhite = R"(\p{Z}\x09-\x0d\x{85})";
  std::string result;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      const char next = pattern[++i];  // none of the patterns ends with a backslash
      if (next == 's') {
        result += in_class ? std::string(kWhite) : fmt::format("[{}]", kWhite);
      } else if (next == 'S') {
        assert(!in_class);
        result += fmt::format("[^{}]", kWhite);
      } else {
        result += {'\\', next};
      }
      continue;
    }
    if (pattern[i] == '[') in_class = true;
    if (pattern[i] == ']') in_class = false;
    result += pattern[i];
  }
  return result;
}

using Code = std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)>;
using MatchData = std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>;
using MatchContext = std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)>;

Code compile(std::string_view pattern) {
  const std::string text = with_white_space(pattern_for_pcre(pattern));
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), PCRE2_UTF | PCRE2_UCP, &error,
                          &offset, nullptr),
            &pcre2_code_free);
  assert(code != nullptr);                            // the patterns are ours
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);  // without it, as on systems that forbid it, matching is slower
  return code;
}

}  // namespace

struct PreTokenizer::Patterns {
  std::vector<Code> codes;
  MatchContext context{pcre2_match_context_create(nullptr), &pcre2_match_context_free};

  using Sink = std::function<void(std::string_view)>;

  void split(std::size_t level, std::string_view text, pcre2_match_data* data, const Sink& word) const {
    if (level == codes.size()) return word(text);
    std::size_t done = 0;
    while (done < text.size()) {
      const std::optional<std::string_view> match = find(*codes[level], text, done, data);
      const std::size_t begin = match ? static_cast<std::size_t>(match->data() - text.data()) : text.size();
      if (begin > done) split(level + 1, text.substr(done, begin - done), data, word);
      if (!match) break;
      split(level + 1, *match, data, word);
      done = begin + match->size();
    }
  }

  /// Nothing also when matching fails for want of memory: the rest is one word then, and nothing is lost.
  std::optional<std::string_view> find(const pcre2_code& code, std::string_view text, std::size_t from,
                                       pcre2_match_data* data) const {
    const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int count = pcre2_match(&code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, data, context.get());
    if (count == PCRE2_ERROR_JIT_STACKLIMIT) {
      count = pcre2_match(&code, subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, context.get());
    }
    if (count < 0) return std::nullopt;
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data);
    if (ends[0] < from || ends[1] <= ends[0]) return std::nullopt;
    return text.substr(ends[0], ends[1] - ends[0]);
  }
};

PreTokenizer::PreTokenizer(const PreTokenizerRow& row) {
  auto patterns = std::make_unique<Patterns>();
  for (const std::string_view pattern : row.patterns) patterns->codes.push_back(compile(pattern));
  // The default gives up on ten million spaces. Our patterns are linear and need no limit.
  pcre2_set_match_limit(patterns->context.get(), std::numeric_limits<std::uint32_t>::max());
  patterns_ = std::move(patterns);
}

PreTokenizer::~PreTokenizer() = default;

void PreTokenizer::split(std::string_view utf8, const std::function<void(std::string_view)>& word) const {
  const MatchData data(pcre2_match_data_create(1, nullptr), &pcre2_match_data_free);
  if (data == nullptr) return word(utf8);  // out of memory
  patterns_->split(0, utf8, data.get(), word);
}

}  // namespace tq
