// The text form of a cache: K[:V][+option…], and the names that other engines gave to such caches.
#include <fmt/format.h>

#include <array>
#include <string_view>

#include "turboquant/session.h"

namespace tq {
namespace {

struct Alias {
  std::string_view name, spec, meaning;
};

/// Names of other engines, with what they are nearest to here. Their scales and block sizes differ; the note says so.
constexpr std::array kAliases = {
    Alias{"turbo2", "tq2", "2-bit TurboQuant keys and values"},
    Alias{"turbo3", "tq3", "3-bit TurboQuant keys and values"},
    Alias{"turbo4", "tq4", "4-bit TurboQuant keys and values"},
    Alias{"tbq2_0", "tq2", "2-bit TurboQuant keys and values"},
    Alias{"tbq3_0", "tq3", "3-bit TurboQuant keys and values"},
    Alias{"tbq4_0", "tq4", "4-bit TurboQuant keys and values"},
    Alias{"turboquant_4bit_nc", "tq4", "4-bit TurboQuant keys and values"},
    Alias{"turboquant_3bit_nc", "tq3", "3-bit TurboQuant keys and values"},
    Alias{"turboquant_k3v4_nc", "tq3:tq4", "3-bit keys and 4-bit values"},
    Alias{"turboquant_k8v4", "tq8:tq4", "8-bit keys (there in FP8, here TurboQuant) and 4-bit values"},
};

/// Codes of a few bits that are not rotated already.
bool can_be_rotated(const CodecSpec& spec) { return spec.rotation == RotationKind::kNone && spec.bits <= 8; }

/// llama.cpp rotates keys by the longest power of two that divides the head, values by 64 (its commit f454bd7eb,
/// llama-kv-cache.cpp).
constexpr std::uint32_t kRotatedKeyBlock = 0, kRotatedValueBlock = 64;

Result<void> apply_option(std::string_view option, std::string_view text, CacheSpec& spec) {
  if (option == "rotate=off" || option == "center=off") return {};
  if (option == "rotate=on") {
    if (!can_be_rotated(spec.k) && !can_be_rotated(spec.v)) {
      return fail(
          ErrorCode::kUsage,
          fmt::format("cache '{}': rotate=on is for block types such as q8_0 and q4_0; tq and tt rotate by themselves",
                      text));
    }
    if (can_be_rotated(spec.k)) spec.k = spec.k.with_plain_hadamard(kRotatedKeyBlock);
    if (can_be_rotated(spec.v)) spec.v = spec.v.with_plain_hadamard(kRotatedValueBlock);
    return {};
  }
  const std::string_view key = option.substr(0, option.find('='));
  if (key == "sink" || key == "recent" || key == "center") {
    return fail(ErrorCode::kUsage, fmt::format("cache '{}': the option {} is not built yet; leave it out", text, key));
  }
  return fail(ErrorCode::kUsage, fmt::format("cache '{}': there is no option '{}'; known is rotate=on", text, option));
}

}  // namespace

Result<CacheSpec> CacheSpec::parse(std::string_view given) {
  const std::string text(given.substr(0, 100));
  CacheSpec spec;
  std::string expanded = text;
  for (const Alias& alias : kAliases) {
    if (text == alias.name) {
      expanded = alias.spec;
      spec.note = fmt::format("{} is read as {}: {}", alias.name, alias.spec, alias.meaning);
    }
  }
  const std::string_view codecs = std::string_view(expanded).substr(0, expanded.find('+'));
  const std::size_t colon = codecs.find(':');
  const Result<CodecSpec> k = CodecSpec::parse(codecs.substr(0, colon));
  if (!k) return fail(k.error().code, fmt::format("cache '{}': {}", text, k.error().message));
  const Result<CodecSpec> v = colon == std::string_view::npos ? k : CodecSpec::parse(codecs.substr(colon + 1));
  if (!v) return fail(v.error().code, fmt::format("cache '{}': {}", text, v.error().message));
  spec.k = k->with_scale(ScaleRule::kUnbiased);
  spec.v = v->with_scale(ScaleRule::kLeastSquares).with_layout(Layout::kRows);  // KvCache chooses

  for (std::string_view rest = std::string_view(expanded).substr(codecs.size()); !rest.empty();) {
    rest.remove_prefix(1);  // the '+'
    const std::string_view option = rest.substr(0, rest.find('+'));
    if (const Result<void> applied = apply_option(option, text, spec); !applied)
      return std::unexpected(applied.error());
    rest.remove_prefix(option.size());
  }
  return spec;
}

std::string CacheSpec::name() const {
  const bool rotated = k.rotation == RotationKind::kPlainHadamard || v.rotation == RotationKind::kPlainHadamard;
  const std::string codecs = k.name() == v.name() ? k.name() : k.name() + ":" + v.name();
  return codecs + (rotated ? "+rotate=on" : "");
}

}  // namespace tq
