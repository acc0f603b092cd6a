#include "cli/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/bytes.h"
#include "base/output_file.h"
#include "cli/interrupt.h"

namespace tq::cli {
namespace {

namespace fs = std::filesystem;

struct CloseFile {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};

std::unexpected<Error> system_failure(std::string_view verb, const std::string& path, int error) {
  return fail(ErrorCode::kFailed, fmt::format("cannot {} {}: {}", verb, path, std::generic_category().message(error)));
}

/// Devices, pipes and the like take the bytes as they come; only a regular file can be replaced as a whole.
bool takes_a_stream(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  return fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status);
}

/// Also when it is empty.
bool begins_with_one_of(const fs::path& path, std::string_view beginnings) {
  std::ifstream file(path);
  char first = 0;
  return !(file >> first) || beginnings.find(first) != beginnings.npos;
}

/// Also when it is empty. `magic` has 8 bytes.
bool begins_with(const fs::path& path, std::string_view magic) {
  std::array<char, 8> first = {};
  std::ifstream file(path, std::ios::binary);
  return !file.read(first.data(), first.size()) ? file.gcount() == 0
                                                : std::string_view(first.data(), first.size()) == magic;
}

/// `begins_well` says whether an existing file may be replaced.
Result<void> check_output_path(const std::string& path, std::string_view option, std::string_view kind,
                               const std::function<bool(const fs::path&)>& begins_well) {
  if (path.empty() || takes_a_stream(path)) return {};
  std::error_code ignored;
  const fs::path folder = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : ".";
  if (!fs::is_directory(folder, ignored)) {
    return fail(ErrorCode::kFailed,
                fmt::format("cannot write {}: the folder {} does not exist", path, folder.string()));
  }
  if (fs::is_directory(path, ignored))
    return fail(ErrorCode::kUsage, fmt::format("{} {} is a folder; name a file in it", option, path));
  if (fs::exists(path, ignored) && !begins_well(path)) {
    return fail(ErrorCode::kUsage,
                fmt::format("{} would overwrite {}, which is not {}; choose another name", option, path, kind));
  }
  return {};
}

bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

Result<void> write_stream(std::string_view text, const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return system_failure("open", path, errno);
  const bool written = write_all(descriptor, text);
  const int error = errno;
  ::close(descriptor);
  if (!written) return system_failure("write", path, error);
  return {};
}

Result<void> replace_file(std::string_view text, const std::string& path) {
  Result<OutputFile> file = OutputFile::create(path);
  if (!file) return fail(std::move(file));
  if (Result<void> written = file->write(as_bytes(text)); !written) return written;
  return file->commit();
}

}  // namespace

Result<std::string> read_text(const std::string& path) {
  const std::string name = path == "-" ? "standard input" : path;
  const std::unique_ptr<std::FILE, CloseFile> file(path == "-" ? stdin : std::fopen(path.c_str(), "rb"));
  if (file == nullptr) return system_failure("open", name, errno);
  constexpr std::size_t kLongest = std::size_t{256} << 20;
  std::string text;
  std::array<char, 1 << 16> buffer;
  for (;;) {
    const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), file.get());
    text.append(buffer.data(), count);
    if (interrupted()) return fail(ErrorCode::kInterrupted, fmt::format("interrupted while reading {}", name));
    if (text.size() > kLongest) {
      return fail(ErrorCode::kUsage, fmt::format("{} is longer than 256 MiB; give a part of it", name));
    }
    if (count < buffer.size()) break;
  }
  if (std::ferror(file.get()) != 0) return system_failure("read", name, errno);
  return text;
}

Result<void> check_json_path(const std::string& path) {
  return check_report_path(path, {"--json", "a JSON file", "{["});
}

Result<void> check_report_path(const std::string& path, const ReportKind& kind) {
  if (path == "-") return {};
  return check_output_path(path, kind.option, kind.name,
                           [&](const fs::path& file) { return begins_with_one_of(file, kind.beginnings); });
}

Result<void> check_cache_path(const std::string& path) {
  return check_output_path(path, "--save-cache", "a saved cache",
                           [](const fs::path& file) { return begins_with(file, "tq cache"); });
}

Result<void> check_kld_base_path(const std::string& path) {
  return check_output_path(path, "--write-kld-base", "a base file of llama-perplexity",
                           [](const fs::path& file) { return begins_with(file, "_logits_"); });
}

Result<void> check_checkpoint_path(const std::string& path) {
  return check_output_path(path, "--resume", "an unfinished evaluation",
                           [](const fs::path& file) { return begins_with(file, "tq eval\n"); });
}

Result<void> write_report(std::string_view report, const std::string& path) {
  std::string text(report);
  if (!text.ends_with('\n')) text += '\n';
  if (path == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);  // main() looks at the state of stdout when it ends
    return {};
  }
  return takes_a_stream(path) ? write_stream(text, path) : replace_file(text, path);
}

std::string json_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace tq::cli
