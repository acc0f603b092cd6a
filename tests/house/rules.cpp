#include "house/rules.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <regex>
#include <sstream>
#include <string_view>

namespace tq::house {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostLines = 800;  // a sign to look is 400; no file has needed twice that

/// Files outside src/simd whose `#if` or intrinsic has a reason.
constexpr std::array kPlatformFiles = {
    "src/base/large_bytes.cpp",  // large pages, which Linux has
    "src/base/thread_pool.cpp",  // cores of a thread, which Linux has; the pause instruction of a spin loop
    "src/eval/provenance.cpp",   // malloc_trim of glibc, so that one row's peak memory is not the next one's
    "src/cli/main.cpp",          // the name of the compiler in --version
};

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

bool is_source(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".h" || extension == ".cpp" || extension == ".inl";
}

/// Sources below root/folder, sorted, relative to root.
std::vector<fs::path> sources(const fs::path& root, const std::string& folder) {
  std::vector<fs::path> found;
  if (!fs::exists(root / folder)) return found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / folder)) {
    if (entry.is_regular_file() && is_source(entry.path())) found.push_back(fs::relative(entry.path(), root));
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string at(const fs::path& file, std::size_t line_index) {
  return file.string() + ":" + std::to_string(line_index + 1) + ": ";
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::vector<std::string> match_all(const std::string& text, const std::regex& pattern) {
  std::vector<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match)
    found.push_back((*match)[1]);
  return found;
}

struct Include {
  std::size_t line;
  std::string path;
};

/// The paths in quotes or angle brackets of the #include lines that are not commented out.
std::vector<Include> includes(const std::string& text) {
  static const std::regex kPath(R"(^\s*#\s*include\s*["<]([^">]+)[">])");
  const std::vector<std::string> raw = lines_of(text), code = lines_of(code_only(text));
  std::vector<Include> found;
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (code[i].find("include") == std::string::npos) continue;
    std::smatch match;
    if (std::regex_search(raw[i], match, kPath)) found.push_back({i, match[1]});
  }
  return found;
}

bool in_quotes(const std::string& text, const Include& include) {
  return lines_of(text)[include.line].find('"' + include.path + '"') != std::string::npos;
}

void check_file_includes(const fs::path& root, const fs::path& file, const std::string& folder, const Layers& layers,
                         Violations& violations) {
  const std::string text = read(root / file);
  for (const Include& include : includes(text)) {
    const std::string first = include.path.substr(0, include.path.find('/'));
    const bool is_ours = first == "turboquant" || layers.contains(first);
    if (!is_ours) {
      if (in_quotes(text, include)) {
        violations.push_back(at(file, include.line) + "\"" + include.path +
                             "\" is no folder of the table in docs/architecture.md; write the "
                             "path from src/ or include/, and <> for what is not ours");
      }
      continue;
    }
    const bool allowed =
        first == "turboquant" || first == folder || (layers.contains(folder) && layers.at(folder).contains(first));
    if (!allowed) violations.push_back(at(file, include.line) + folder + " may not include \"" + include.path + "\"");
  }
}

/// tq_folder(… USES base simd LINKS …) of src/folder/CMakeLists.txt.
void check_uses(const fs::path& root, const std::string& folder, const Layers& layers, Violations& violations) {
  static const std::regex kUses(R"(USES([^)]*))"), kWord(R"(([A-Za-z_]\w*))");
  const fs::path file = fs::path("src") / folder / "CMakeLists.txt";
  for (std::string uses : match_all(read(root / file), kUses)) {
    uses = uses.substr(0, std::min({uses.find("LINKS"), uses.find("SOURCES"), uses.size()}));
    for (const std::string& used : match_all(uses, kWord)) {
      if (!layers.at(folder).contains(used))
        violations.push_back(file.string() + ": " + folder + " may not use " + used);
    }
  }
}

bool contains_word(const std::string& code, std::string_view word, bool called) {
  for (std::size_t from = 0; (from = code.find(word, from)) != std::string::npos; from += word.size()) {
    const std::size_t end = from + word.size();
    if ((from > 0 && is_word(code[from - 1])) || (end < code.size() && is_word(code[end]))) continue;
    const std::size_t next = code.find_first_not_of(' ', end);
    if (!called || (next != std::string::npos && code[next] == '(')) return true;
  }
  return false;
}

std::string printing_word(const std::string& code) {
  static constexpr std::array kWords = {"printf", "vprintf", "fprintf", "vfprintf", "puts",   "putchar",
                                        "perror", "cout",    "cerr",    "clog",     "stdout", "stderr"};
  static constexpr std::array kCalls = {"exit", "_exit", "_Exit", "quick_exit", "abort", "terminate"};
  for (const char* word : kWords) {
    if (contains_word(code, word, false)) return word;
  }
  for (const char* word : kCalls) {
    if (contains_word(code, word, true)) return word;
  }
  return code.find("fmt::print") == std::string::npos ? "" : "fmt::print";
}

bool is_bad_name(std::string name) {
  static const std::regex kBad(R"((^|.*_)(utils?|helpers?|common|misc|stuff)$)");
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::regex_match(name, kBad);
}

/// The length of the literal or comment that begins at `from`, 0 when none does.
std::size_t quoted_length(const std::string& text, std::size_t from) {
  const auto up_to = [&](std::string_view end, std::size_t start) {
    const std::size_t found = text.find(end, start);
    return (found == std::string::npos ? text.size() : found + end.size()) - from;
  };
  const char c = text[from], next = from + 1 < text.size() ? text[from + 1] : '\0';
  if (c == '/' && next == '/') return std::min(text.find('\n', from), text.size()) - from;
  if (c == '/' && next == '*') return up_to("*/", from + 2);
  if (c == 'R' && next == '"') {
    const std::size_t open = text.find('(', from);
    if (open != std::string::npos) return up_to(')' + text.substr(from + 2, open - from - 2) + '"', open);
  }
  const bool separates_digits = c == '\'' && from > 0 && is_word(text[from - 1]);
  if ((c != '"' && c != '\'') || separates_digits) return 0;
  std::size_t end = from + 1;
  while (end < text.size() && text[end] != c && text[end] != '\n') end += text[end] == '\\' ? 2 : 1;
  return std::min(end + 1, text.size()) - from;
}

}  // namespace

std::string code_only(const std::string& text) {
  std::string code = text;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = quoted_length(text, i);
    for (std::size_t j = i; j < i + length; ++j) {
      if (code[j] != '\n') code[j] = ' ';
    }
    i += std::max<std::size_t>(length, 1);
  }
  return code;
}

Layers read_layers(const fs::path& root) {
  static const std::regex kRow(R"(^\|\s*`src/(\w+)/`\s*\|[^|]*\|([^|]*)\|)"), kFolder(R"(`(\w+)`)");
  Layers layers;
  for (const std::string& line : lines_of(read(root / "docs" / "architecture.md"))) {
    std::smatch row;
    if (!std::regex_search(line, row, kRow)) continue;
    const std::vector<std::string> allowed = match_all(row[2], kFolder);
    layers[row[1]] = {allowed.begin(), allowed.end()};
  }
  return layers;
}

Violations check_layers(const fs::path& root, const Layers& layers) {
  Violations violations;
  for (const fs::directory_entry& entry : fs::directory_iterator(root / "src")) {
    const std::string folder = entry.path().filename().string();
    if (!entry.is_directory()) continue;
    if (!layers.contains(folder)) {
      violations.push_back("src/" + folder + ": not in the table of docs/architecture.md");
      continue;
    }
    check_uses(root, folder, layers, violations);
    for (const fs::path& file : sources(root, "src/" + folder))
      check_file_includes(root, file, folder, layers, violations);
  }
  for (const fs::path& file : sources(root, "include")) check_file_includes(root, file, "include", layers, violations);
  return violations;
}

Violations check_quiet(const fs::path& root) {
  Violations violations;
  for (const fs::path& file : sources(root, "src")) {
    if (file.string().starts_with("src/cli/")) continue;
    const std::vector<std::string> code = lines_of(code_only(read(root / file)));
    for (std::size_t i = 0; i < code.size(); ++i) {
      const std::string word = printing_word(code[i]);
      if (!word.empty())
        violations.push_back(at(file, i) + "'" + word + "' belongs in src/cli; return a Result instead");
    }
  }
  return violations;
}

Violations check_portable(const fs::path& root) {
  static const std::regex kCondition(R"(^\s*#\s*(if|ifdef|ifndef|elif)\b)"),
      kIntrinsic(R"(\b(_mm\d*_|__m(128|256|512)|__builtin_ia32_|vld1q?_))");
  static const std::regex kHeader(R"((\w*intrin|arm_neon|arm_sve|cpuid)\.h)");
  Violations violations;
  for (const char* folder : {"src", "include"}) {
    for (const fs::path& file : sources(root, folder)) {
      const bool is_excepted =
          std::find(kPlatformFiles.begin(), kPlatformFiles.end(), file.generic_string()) != kPlatformFiles.end();
      if (file.string().starts_with("src/simd/") || is_excepted) continue;
      const std::string text = read(root / file);
      const std::vector<std::string> code = lines_of(code_only(text));
      for (std::size_t i = 0; i < code.size(); ++i) {
        if (std::regex_search(code[i], kCondition)) violations.push_back(at(file, i) + "#if belongs in src/simd");
        if (std::regex_search(code[i], kIntrinsic)) violations.push_back(at(file, i) + "intrinsics belong in src/simd");
      }
      for (const Include& include : includes(text)) {
        if (std::regex_match(include.path, kHeader))
          violations.push_back(at(file, include.line) + include.path + " belongs in src/simd");
      }
    }
  }
  return violations;
}

Violations check_sizes_and_names(const fs::path& root) {
  Violations violations;
  for (const char* folder : {"src", "include", "tests", "bench", "fuzz"}) {
    for (const fs::path& file : sources(root, folder)) {
      const std::string text = read(root / file);
      const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
      if (lines > kMostLines)
        violations.push_back(file.string() + ": " + std::to_string(lines) + " lines; split it by meaning");
      for (const fs::path& part : file) {
        if (is_bad_name(part.stem().string()))
          violations.push_back(file.string() + ": '" + part.string() + "' does not say what is inside");
      }
      const auto parts = std::distance(file.begin(), file.end());
      if (parts > 4) violations.push_back(file.string() + ": more than two folder levels");
    }
  }
  return violations;
}

}  // namespace tq::house
