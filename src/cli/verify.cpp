// tq verify: every checksum and extent of a model file.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/printable.h"
#include "cli/progress_bar.h"
#include "cli/units.h"
#include "turboquant/quantize.h"

namespace tq::cli {
namespace {

void print_check(const FileCheck& check, const std::string& path) {
  for (const std::string& problem : check.problems) fmt::print("{}: {}\n", one_line(path), one_line(problem));
  if (!check.problems.empty()) return;
  const std::string sums =
      check.checksums == 0 ? "it has no checksums" : fmt::format("{} checksums are right", check.checksums + 1);
  fmt::print("{}: {} tensors of {} lie where they should, {}\n", one_line(path), check.tensors, bytes_text(check.bytes),
             sums);
}

std::string to_json(const FileCheck& check, const std::string& path) {
  nlohmann::ordered_json json;
  json["schema"] = "turboquant.verify/1";
  json["file"] = path;
  json["tensors"] = check.tensors;
  json["checksums"] = check.checksums;
  json["bytes"] = check.bytes;
  json["problems"] = check.problems;
  return json_text(json);
}

}  // namespace

Result<void> verify_command(const Arguments& arguments) {
  CommandLine line({.name = "verify",
                    .summary = "compare a file with its checksums",
                    .usage = "FILE [options]",
                    .examples = {"model.tt4.gguf"}});
  std::string path, json;
  line.add(path, {.names = "file_path", .group = kHidden});
  add_json_option(line, json);
  const Result<bool> go_on = line.parse(arguments);
  if (!go_on) return std::unexpected(go_on.error());
  if (!*go_on) return {};
  if (path.empty()) return fail(ErrorCode::kUsage, "name the file to check: tq verify FILE");
  if (Result<void> writable = check_json_path(json); !writable) return writable;
  const auto file = TensorFile::open(path);
  if (!file) return std::unexpected(file.error());
  ProgressBar bar("verify", Counted::kBytes);
  const Result<FileCheck> check =
      check_file(**file, [&](const QuantizedTensor&, std::uint64_t done, std::uint64_t total) {
        bar.update(done, total);
        return !interrupted();
      });
  if (!check) return std::unexpected(check.error());
  bar.clear();
  if (json != "-") print_check(*check, path);
  if (!json.empty()) {
    if (Result<void> written = write_json(to_json(*check, path), json); !written) return written;
  }
  if (check->problems.empty()) return {};
  return fail(ErrorCode::kBadFile, fmt::format("{} is damaged in {} place{}", path, check->problems.size(),
                                               check->problems.size() == 1 ? "" : "s"));
}

}  // namespace tq::cli
