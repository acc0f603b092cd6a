// What each command of `tq` does with its arguments (without the program's and the command's own name).
//
// Errors come back as Result; main() prints them and turns them into the exit code. `--help` prints and succeeds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "turboquant/result.h"

namespace tq::cli {

using Arguments = std::vector<std::string>;

/// The candidate that `word` was probably meant to be; empty when none is close.
std::string close_match(std::string_view word, const std::vector<std::string>& candidates);

Result<void> info_command(const Arguments& arguments);
Result<void> run_command(const Arguments& arguments);
Result<void> eval_command(const Arguments& arguments);
Result<void> compare_command(const Arguments& arguments);
Result<void> needle_command(const Arguments& arguments);
Result<void> report_command(const Arguments& arguments);
Result<void> bench_command(const Arguments& arguments);
Result<void> quantize_command(const Arguments& arguments);
Result<void> imatrix_command(const Arguments& arguments);
Result<void> plan_command(const Arguments& arguments);
Result<void> export_command(const Arguments& arguments);
Result<void> verify_command(const Arguments& arguments);
Result<void> tokenize_command(const Arguments& arguments);
Result<void> vectors_command(const Arguments& arguments);
Result<void> codecs_command(const Arguments& arguments);

}  // namespace tq::cli
