#include "text/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <optional>

namespace tq {

const std::string_view kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

// Every pattern here must match in linear time whatever the text: a new one needs a case in the test of long words. A
// long run that must not be tried again from each of its characters begins with (?<!…).
const std::vector<PreTokenizerRow>& rows() {
  static const std::vector<PreTokenizerRow> kRows = {
      {.names = {"llama-bpe", "llama3", "llama-v3"},
       .patterns = {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
                    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"},
       .ignore_merges = true,
       .adds_bos = true},
      {.names = {"gpt-2", "phi-2", "mpt", "olmo", "jais"}, .patterns = {kGpt2Pattern}},
      {.names = {"qwen2", "deepseek-r1-qwen", "megrez"},
       .patterns = {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
                    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {.names = {"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"},
       .patterns = {R"(\p{N})", kGpt2Pattern}},
      {.names = {"deepseek-coder"},
       .patterns = {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", "[一-龥ࠀ-一가-퟿]+", R"(\p{N})"}},
  };
  return kRows;
}

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
  const std::string text = with_white_space(pattern);
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

const PreTokenizerRow* find_pre_tokenizer(std::string_view name) {
  const auto has_name = [&](const PreTokenizerRow& row) { return std::ranges::count(row.names, name) > 0; };
  const auto row = std::ranges::find_if(rows(), has_name);
  return row == rows().end() ? nullptr : &*row;
}

const PreTokenizerRow* find_pre_tokenizer(const std::vector<std::string>& patterns) {
  const auto row = std::ranges::find_if(
      rows(), [&](const PreTokenizerRow& candidate) { return std::ranges::equal(candidate.patterns, patterns); });
  return row == rows().end() ? nullptr : &*row;
}

std::string pre_tokenizer_names() {
  std::vector<std::string_view> names;
  for (const PreTokenizerRow& row : rows()) names.insert(names.end(), row.names.begin(), row.names.end());
  return fmt::format("{}", fmt::join(names, ", "));
}

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
