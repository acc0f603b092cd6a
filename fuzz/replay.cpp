// Runs a harness without libFuzzer, the same way every time: each file of the folders, their prefixes, and mutations of
// single bytes and of 8-byte counts.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

// Large seeds get fewer of each, so that a run takes seconds.
constexpr std::size_t kMutations = 3000, kMostPrefixes = 4096;

std::size_t executions = 0;

/// From an allocation of its exact size, so that AddressSanitizer sees a read beyond it.
void run(const std::string& input) {
  const auto copy = std::make_unique<std::uint8_t[]>(input.size());
  std::copy(input.begin(), input.end(), copy.get());
  LLVMFuzzerTestOneInput(copy.get(), input.size());
  ++executions;
}

void run_prefixes(const std::string& seed) {
  const std::size_t step = seed.size() / kMostPrefixes + 1;
  for (std::size_t size = 0; size <= seed.size(); size += step) run(seed.substr(0, size));
}

void run_mutations(const std::string& seed, std::uint64_t& state) {
  constexpr std::array<std::uint64_t, 8> kCounts = {0,          1,          0x7FFFFFFF, 0xFFFFFFFF,
                                                    1ULL << 32, 1ULL << 62, 1ULL << 63, ~0ULL};
  for (std::size_t i = 0; i < kMutations && !seed.empty(); ++i) {
    std::string input = seed;
    const std::size_t at = tq::next_random(state) % seed.size();
    input[at] = static_cast<char>(input[at] ^ static_cast<char>(1 + tq::next_random(state) % 255));
    run(input);
    if (seed.size() < 8) continue;
    input = seed;
    const std::uint64_t count = kCounts[tq::next_random(state) % kCounts.size()];
    std::memcpy(input.data() + tq::next_random(state) % (seed.size() - 7), &count, 4U << tq::next_random(state) % 2);
    run(input);
  }
}

std::string contents_of(const std::filesystem::path& path) {
  std::ostringstream contents;
  contents << std::ifstream(path, std::ios::binary).rdbuf();
  return contents.str();
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> paths;
  for (int i = 1; i < argc; ++i) {
    for (const auto& item : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (item.is_regular_file()) paths.push_back(item.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::uint64_t state = 1;
  for (const std::filesystem::path& path : paths) {
    const std::string seed = contents_of(path);
    run(seed);
    run_prefixes(seed);
    run_mutations(seed, state);
  }
  std::printf("%zu files, %zu executions\n", paths.size(), executions);
  return paths.empty() ? 1 : 0;
}
