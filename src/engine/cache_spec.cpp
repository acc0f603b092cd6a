// The text form of a cache: K[:V][+option…], and the names that other engines gave to such caches.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
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

bool is_coded(const CodecSpec& spec) {
  return spec.family != CodecFamily::kF32 && spec.family != CodecFamily::kF16 && spec.family != CodecFamily::kBF16;
}

/// More tokens than a context can have are as good as all of them.
constexpr std::size_t kMostExactTokens = std::size_t{1} << 30;

struct Centering {
  std::string_view name;
  KeyCentering value;
};
constexpr std::array kCenterings = {Centering{"off", KeyCentering::kOff}, Centering{"auto", KeyCentering::kAuto},
                                    Centering{"mean", KeyCentering::kMean}, Centering{"bias", KeyCentering::kBias}};

Result<void> rotate(std::string_view text, CacheSpec& spec) {
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

Result<void> keep_exact(std::string_view option, std::string_view text, std::size_t& tokens, const CacheSpec& spec) {
  const std::string_view digits = option.substr(option.find('=') + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), tokens);
  if (error != std::errc{} || end != digits.data() + digits.size() || tokens > kMostExactTokens) {
    return fail(ErrorCode::kUsage, fmt::format("cache '{}': {} is not a number of tokens up to 2^30, as in {}=64", text,
                                               option, option.substr(0, option.find('='))));
  }
  if (tokens > 0 && !is_coded(spec.k) && !is_coded(spec.v)) {
    return fail(ErrorCode::kUsage, fmt::format("cache '{}': {} keeps tokens in f16, and all are at least that exact",
                                               text, option.substr(0, option.find('='))));
  }
  return {};
}

Result<void> center(std::string_view value, std::string_view text, CacheSpec& spec) {
  const auto* found = std::find_if(kCenterings.begin(), kCenterings.end(),
                                   [value](const Centering& centering) { return centering.name == value; });
  if (found == kCenterings.end()) {
    return fail(ErrorCode::kUsage, fmt::format("cache '{}': center is auto, off, mean or bias", text));
  }
  if (found->value != KeyCentering::kOff && !is_coded(spec.k)) {
    return fail(ErrorCode::kUsage,
                fmt::format("cache '{}': center is for coded keys, and these are {}", text, spec.k.name()));
  }
  spec.center = found->value;
  return {};
}

Result<void> apply_option(std::string_view option, std::string_view text, CacheSpec& spec) {
  const std::size_t equals = option.find('=');
  const std::string_view key = option.substr(0, equals);
  if (option == "rotate=off") return {};
  if (option == "rotate=on") return rotate(text, spec);
  if (key == "sink" && equals != std::string_view::npos) return keep_exact(option, text, spec.sinks, spec);
  if (key == "recent" && equals != std::string_view::npos) return keep_exact(option, text, spec.recent, spec);
  if (key == "center" && equals != std::string_view::npos) return center(option.substr(equals + 1), text, spec);
  return fail(ErrorCode::kUsage,
              fmt::format("cache '{}': there is no option '{}'; known are sink=N, recent=N, center=auto|off|mean|bias "
                          "and rotate=on",
                          text, option));
}

}  // namespace

Result<CacheSpec> CacheSpec::parse(std::string_view given) {
  const std::string text(given.substr(0, 100));
  CacheSpec spec;
  if (text == "auto") {
    spec.automatic = true;
    return spec;
  }
  std::string expanded = text;
  const std::string_view options = std::string_view(text).substr(std::min(text.find('+'), text.size()));
  for (const Alias& alias : kAliases) {
    if (std::string_view(text).substr(0, text.size() - options.size()) == alias.name) {
      expanded = fmt::format("{}{}", alias.spec, options);
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
  if (automatic) return "auto";
  const bool rotated = k.rotation == RotationKind::kPlainHadamard || v.rotation == RotationKind::kPlainHadamard;
  std::string text = k.name() == v.name() ? k.name() : k.name() + ":" + v.name();
  if (rotated) text += "+rotate=on";
  if (sinks > 0) text += fmt::format("+sink={}", sinks);
  if (recent > 0) text += fmt::format("+recent={}", recent);
  for (const Centering& centering : kCenterings) {
    if (centering.value == center && center != KeyCentering::kOff) text += fmt::format("+center={}", centering.name);
  }
  return text;
}

}  // namespace tq
