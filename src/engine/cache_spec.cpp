// The text form of a cache: K[:V][+option…], and the names that other engines gave to such caches.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include "quant/width_average.h"
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

/// Keys are met by inner products, values are summed; KvCache chooses the layout of the values.
CodecSpec for_keys(const CodecSpec& codec) { return codec.with_scale(ScaleRule::kUnbiased); }
CodecSpec for_values(const CodecSpec& codec) {
  return codec.with_scale(ScaleRule::kLeastSquares).with_layout(Layout::kRows);
}

/// The codec of a name, or the lower one of an average, which `average` is set to.
Result<CodecSpec> parse_side(std::string_view name, double& average) {
  const std::optional<WidthAverage> found = parse_width_average(name);
  if (!found) return CodecSpec::parse(name);
  average = found->bits;
  return found->lower;
}

/// One average for both sides: the keys get the wider codec first, since they cost more (docs/benchmarks/cache.md).
void share_out(const WidthAverage& average, CacheSpec& spec) {
  const double share = 2 * (average.bits - average.lower.bits);
  spec.k = for_keys(share < 1 ? average.lower : average.higher);
  spec.v = for_values(average.lower);
  spec.k_average = share < 1 ? average.lower.bits + share : 0;
  spec.v_average = share > 1 ? average.lower.bits + (share - 1) : 0;
}

/// `codec` with one more bit and all its other settings.
CodecSpec wider(const CodecSpec& codec) {
  CodecSpec wide = *one_bit_wider(codec);  // parse_side() has seen that there is one
  if (codec.rotation == RotationKind::kPlainHadamard) wide = wide.with_plain_hadamard(codec.max_block);
  wide.seed = codec.seed;
  return wide;
}

std::string side_name(const CacheSpec& spec, CodecSpec CacheCodecs::*side, const CodecSpec& codec, double average) {
  const std::string name = spec.layers.empty() ? codec.name() : (spec.layers.front().*side).name();
  const auto same = [&](const CacheCodecs& layer) { return (layer.*side).name() == name; };
  if (!std::ranges::all_of(spec.layers, same)) return "mixed";
  if (average == 0) return name;
  return fmt::format("{}{:.6g}", name.substr(0, name.find_first_of("0123456789")), average);
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
  const Result<CodecSpec> k = parse_side(codecs.substr(0, colon), spec.k_average);
  if (!k) return fail(k.error().code, fmt::format("cache '{}': {}", text, k.error().message));
  const Result<CodecSpec> v = parse_side(codecs.substr(colon + 1), spec.v_average);  // npos + 1 is 0
  if (!v) return fail(v.error().code, fmt::format("cache '{}': {}", text, v.error().message));
  spec.k = for_keys(*k);
  spec.v = for_values(*v);
  const std::optional<WidthAverage> both = parse_width_average(codecs);
  if (both) share_out(*both, spec);

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
  std::string text = k_name() == v_name() ? k_name() : k_name() + ":" + v_name();
  if (!layers.empty()) text = plan;
  if (rotated) text += "+rotate=on";
  if (sinks > 0) text += fmt::format("+sink={}", sinks);
  if (recent > 0) text += fmt::format("+recent={}", recent);
  for (const Centering& centering : kCenterings) {
    if (centering.value == center && center != KeyCentering::kOff) text += fmt::format("+center={}", centering.name);
  }
  return text;
}

std::string CacheSpec::k_name() const { return side_name(*this, &CacheCodecs::k, k, k_average); }
std::string CacheSpec::v_name() const { return side_name(*this, &CacheCodecs::v, v, v_average); }

Result<std::vector<CacheCodecs>> CacheSpec::codecs(std::size_t n_layers) const {
  if (!layers.empty() && layers.size() != n_layers) {
    return fail(ErrorCode::kUsage,
                fmt::format("the plan {} is for caches of {} layers, and the model has {}; it is of another model",
                            plan, layers.size(), n_layers));
  }
  if (!layers.empty()) return layers;
  std::vector<CacheCodecs> all(n_layers, {k, v});
  const auto widen = [&](CodecSpec CacheCodecs::*side, double average, const CodecSpec& wide) {
    const double lower = std::floor(average);
    constexpr double kRounding = 0.02;  // 2.333 is for one of three layers
    const auto count = static_cast<std::size_t>((average - lower) * static_cast<double>(n_layers) + kRounding);
    for (std::size_t i = 0; i < std::min(count, n_layers); ++i)
      all[i % 2 == 0 ? i / 2 : n_layers - 1 - i / 2].*side = wide;
  };
  if (k_average > 0) widen(&CacheCodecs::k, k_average, for_keys(wider(k)));
  if (v_average > 0) widen(&CacheCodecs::v, v_average, for_values(wider(v)));
  return all;
}

void CacheSpec::set_seed(std::uint64_t seed) {
  k.seed = v.seed = seed;
  for (CacheCodecs& layer : layers) layer.k.seed = layer.v.seed = seed;
}

}  // namespace tq
