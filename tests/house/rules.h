// The rules of the house that no compiler checks, over any source tree.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace tq::house {

/// One line for each place that breaks a rule: file, line, what is wrong, how to mend it.
using Violations = std::vector<std::string>;

/// What each folder of src/ may include besides itself and the public headers.
using Layers = std::map<std::string, std::set<std::string>>;

/// The rows "| `src/NAME/` | what it is | `base` `simd` |" of docs/architecture.md.
Layers read_layers(const std::filesystem::path& root);

/// Includes in src/ and the USES of its CMakeLists.txt follow the layers; public headers include only each other.
Violations check_layers(const std::filesystem::path& root, const Layers& layers);

/// Nothing under src/ prints, exits or aborts, src/cli aside.
Violations check_quiet(const std::filesystem::path& root);

/// Conditional compilation and intrinsics stay in src/simd, and in the few files that say why.
Violations check_portable(const std::filesystem::path& root);

/// Files of at most 800 lines, src/ at most two folders deep, no folder or file that says "util" instead of what it is.
Violations check_sizes_and_names(const std::filesystem::path& root);

/// C++ with the contents of comments, strings and characters replaced by spaces; lines stay where they are.
std::string code_only(const std::string& text);

}  // namespace tq::house
