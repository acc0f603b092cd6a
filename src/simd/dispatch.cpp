// THE list of CPU targets, best first, and the choice among them.
#include <array>
#include <atomic>
#include <cstdlib>
#include <string>
#include <vector>

#include "simd/targets.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace tq {
namespace {

struct Target {
  const Kernels* kernels;
  bool (*runs_here)();
};

#if defined(__x86_64__)
bool has_f16c() {  // __builtin_cpu_supports of clang 14 does not know it
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
bool has_avx2() { return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 && has_f16c(); }
bool has_avxvnni() {  // nor this
  constexpr unsigned kAvxVnni = 1U << 4;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kAvxVnni) != 0;
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
         __builtin_cpu_supports("avx512vbmi") != 0 && __builtin_cpu_supports("avx512vnni") != 0 &&
         __builtin_cpu_supports("gfni") != 0;
}
#elif defined(__aarch64__)
bool has_dot_products() {
#if defined(__linux__)
  constexpr unsigned long kDotProducts = 1UL << 20;  // HWCAP_ASIMDDP
  return (getauxval(AT_HWCAP) & kDotProducts) != 0;
#elif defined(__APPLE__)
  return true;
#else
  return false;
#endif
}
#endif

constexpr std::array kTargets = {
#if defined(__x86_64__)
    Target{&kAvx512Kernels, has_avx512},
    Target{&kAvxVnniKernels, has_avxvnni},
    Target{&kAvx2Kernels, has_avx2},
#elif defined(__aarch64__)
    Target{&kNeonDotKernels, has_dot_products},
    Target{&kNeonKernels, [] { return true; }},
#endif
    Target{&kScalarKernels, [] { return true; }},
};

struct Choice {
  std::vector<const Kernels*> available;
  const Kernels* chosen = nullptr;
  std::string error;
};

Choice choose() {
  Choice choice;
  const char* forced = std::getenv("TQ_SIMD");
  const std::string name = forced == nullptr ? "" : forced;
  std::string known;
  bool is_known = false;
  for (const Target& target : kTargets) {
    known += (known.empty() ? "" : ", ") + std::string(target.kernels->name);
    is_known = is_known || name == target.kernels->name;
    if (!target.runs_here()) continue;
    choice.available.push_back(target.kernels);
    if (name == target.kernels->name) choice.chosen = target.kernels;
  }
  if (!name.empty() && choice.chosen == nullptr) {
    choice.error = "TQ_SIMD names the CPU target '" + name.substr(0, 32) + "', which " +
                   (is_known ? "this CPU cannot run" : "does not exist") + "; there are " + known;
  }
  if (choice.chosen == nullptr) choice.chosen = choice.available.front();
  return choice;
}

const Choice& choice() {
  static const Choice chosen = choose();
  return chosen;
}

std::atomic<const Kernels*>& current() {
  static std::atomic<const Kernels*> table = choice().chosen;
  return table;
}

}  // namespace

const Kernels& kernels() { return *current().load(std::memory_order_relaxed); }

void use_kernels(const Kernels& table) { current().store(&table, std::memory_order_relaxed); }

const char* kernels_error() { return choice().error.c_str(); }

std::size_t available_kernels(const Kernels* const** tables) {
  *tables = choice().available.data();
  return choice().available.size();
}

}  // namespace tq
