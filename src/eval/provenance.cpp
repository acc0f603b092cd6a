#include "eval/provenance.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <fstream>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace tq::eval {

decltype(EvalReport::model) describe(const Model& model, const TensorFile& file) {
  return {model.config().name, model.config().architecture, model.footprint().parameters, file.file_bytes()};
}

decltype(EvalReport::machine) describe_machine(const ThreadPool& threads) {
  return {cpu_name(), simd_target(), thread_count(threads), restart_peak_memory()};
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) return "";
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

bool restart_peak_memory() {
#ifdef __GLIBC__
  malloc_trim(0);  // else what an earlier row has freed still counts as resident
#endif
  std::ofstream control("/proc/self/clear_refs");
  control << "5" << std::flush;
  return control.good();
}

std::uint64_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  std::string key;
  std::uint64_t kibibytes = 0;
  for (std::string line; status >> key; std::getline(status, line)) {
    if (key == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

}  // namespace tq::eval
