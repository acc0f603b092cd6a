// Texts in, reports out.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "turboquant/result.h"

namespace tq::cli {

/// The contents of a text file; `-` is standard input. kUsage above 256 MiB, kInterrupted after Ctrl-C.
Result<std::string> read_text(const std::string& path);

/// Whether write_json() may write there: called before long work, so that a mistyped path costs nothing. Empty and `-`
/// are fine. An existing file that does not begin as JSON does is not overwritten: `--json model.gguf` must not destroy
/// a model.
Result<void> check_json_path(const std::string& path);

/// What an option writes.
struct ReportKind {
  std::string_view option, name;  ///< "--html", "an HTML file"
  std::string_view beginnings;    ///< the characters that such a file may begin with
};
/// The same for any kind of report.
Result<void> check_report_path(const std::string& path, const ReportKind& kind);
/// The same for a saved cache, a base file of llama-perplexity, and an unfinished evaluation.
Result<void> check_cache_path(const std::string& path);
Result<void> check_kld_base_path(const std::string& path);
Result<void> check_checkpoint_path(const std::string& path);

/// Writes a report to a file, or to standard output for `-`. A file appears complete or not at all.
Result<void> write_report(std::string_view report, const std::string& path);
inline Result<void> write_json(std::string_view json, const std::string& path) { return write_report(json, path); }

/// Indented; bytes that are not UTF-8 become U+FFFD, which the text of a model may contain.
std::string json_text(const nlohmann::ordered_json& json);

}  // namespace tq::cli
