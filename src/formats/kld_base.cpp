#include "formats/kld_base.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "base/checked.h"
#include "formats/message.h"

namespace tq {
namespace {

constexpr std::string_view kMagic = "_logits_";
constexpr std::size_t kScaleBytes = 2 * sizeof(float);
constexpr float kReach = 16;  // below the top logit by more, all is one code
constexpr float kSteps = 65535;
constexpr float kLeastFloor = -64;  // −16 − ln(vocabulary) is the least that a writer can mean

/// Nothing where it does not fit in 64 bits.
std::optional<std::uint64_t> bytes_of_rows(const KldBaseShape& shape) {
  const auto positions = checked_multiply<std::uint64_t>(shape.windows, shape.scored_per_window());
  return positions ? checked_multiply<std::uint64_t>(*positions, 2 * shape.row_values()) : std::nullopt;
}

}  // namespace

Result<KldBase> KldBase::parse(std::span<const std::byte> bytes, std::string_view name) {
  ByteReader reader(bytes);
  std::string_view magic;
  if (!reader.take(kMagic.size(), magic) || magic != kMagic)
    return bad_file(name, "it does not begin as a base file of llama-perplexity does");
  std::uint32_t context = 0;
  std::int32_t vocab = 0, windows = 0;
  if (!reader.read(context) || !reader.read(vocab) || !reader.read(windows))
    return bad_file(name, "it ends within its header");
  if (context < 3 || context > (1U << 30))
    return bad_file(name, "its window of {} tokens scores none or is too long", context);
  if (vocab < 1 || windows < 1)
    return bad_file(name, "it has {} windows for a vocabulary of {}, where neither can be less than 1", windows, vocab);

  KldBase base;
  base.name_ = name;
  base.shape_ = {context, static_cast<std::size_t>(vocab), static_cast<std::size_t>(windows)};
  const std::uint64_t token_bytes = std::uint64_t{context} * static_cast<std::uint64_t>(windows) * sizeof(std::int32_t);
  if (!reader.take(token_bytes, base.tokens_))
    return bad_file(name, "it ends within its {} windows of tokens", windows);
  const std::optional<std::uint64_t> row_bytes = bytes_of_rows(base.shape_);
  if (!row_bytes || *row_bytes > reader.remaining())
    return bad_file(name, "it ends within the predictions for its {} windows; was its writer interrupted?", windows);
  if (*row_bytes != reader.remaining())
    return bad_file(name, "{} bytes follow the predictions for its {} windows", reader.remaining() - *row_bytes,
                    windows);
  base.rows_ = bytes.subspan(reader.position());
  for (const std::int32_t token : base.tokens()) {
    if (token < 0 || token >= vocab) return bad_file(name, "the token {} is not in its vocabulary of {}", token, vocab);
  }
  return base;
}

std::vector<std::int32_t> KldBase::tokens() const {
  std::vector<std::int32_t> tokens(shape_.windows * shape_.context);
  std::memcpy(tokens.data(), tokens_.data(), tokens_.size());
  return tokens;
}

std::span<const std::byte> KldBase::window(std::size_t index) const {
  const std::size_t bytes = shape_.scored_per_window() * 2 * shape_.row_values();
  return rows_.subspan(index * bytes, bytes);
}

Result<void> KldBase::read(std::size_t window_index, std::size_t index, std::span<float> log_probabilities) const {
  assert(log_probabilities.size() == shape_.vocab_size && index < shape_.scored_per_window());
  const std::size_t bytes = 2 * shape_.row_values();
  const std::span<const std::byte> row = window(window_index).subspan(index * bytes, bytes);
  float step = 0, floor = 0;
  std::memcpy(&step, row.data(), sizeof(float));
  std::memcpy(&floor, row.data() + sizeof(float), sizeof(float));
  // No ln p is above 0 but by rounding, and none of these is far below e^−16 of the top. A NaN fails every comparison.
  const bool possible = step >= 0 && floor >= kLeastFloor && floor + kSteps * step <= 0.01F;
  if (!possible)
    return bad_file(name_, "position {} of window {} has ln p from {} in steps of {}, which no distribution has", index,
                    window_index, floor, step);
  for (std::size_t i = 0; i < shape_.vocab_size; ++i) {
    std::uint16_t code = 0;
    std::memcpy(&code, row.data() + kScaleBytes + 2 * i, sizeof(code));
    log_probabilities[i] = floor + step * static_cast<float>(code);
  }
  return {};
}

Result<KldBaseWriter> KldBaseWriter::create(const std::filesystem::path& path, const KldBaseShape& shape,
                                            std::span<const std::int32_t> tokens) {
  constexpr auto kMost = static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max());
  const std::optional<std::uint64_t> row_bytes = bytes_of_rows(shape);
  if (shape.context < 3 || shape.context > kMost || shape.vocab_size > kMost || shape.windows > kMost || !row_bytes)
    return fail(ErrorCode::kUsage, fmt::format("{}: {} windows of {} tokens are more than the format holds",
                                               path.string(), shape.windows, shape.context));
  assert(tokens.size() == shape.windows * shape.context);
  Result<OutputFile> file = OutputFile::create(path);
  if (!file) return std::unexpected(file.error());
  const auto context = static_cast<std::uint32_t>(shape.context);
  const std::array<std::int32_t, 2> sizes = {static_cast<std::int32_t>(shape.vocab_size),
                                             static_cast<std::int32_t>(shape.windows)};
  if (Result<void> reserved = file->reserve(kMagic.size() + 12 + tokens.size_bytes() + *row_bytes); !reserved)
    return std::unexpected(reserved.error());
  const std::array<std::span<const std::byte>, 4> parts = {as_bytes(kMagic), std::as_bytes(std::span(&context, 1)),
                                                           std::as_bytes(std::span(sizes)), std::as_bytes(tokens)};
  for (const std::span<const std::byte> part : parts) {
    if (Result<void> written = file->write(part); !written) return std::unexpected(written.error());
  }
  return KldBaseWriter(std::move(*file), shape);
}

Result<void> KldBaseWriter::add(std::span<const float> logits) {
  const std::size_t vocab = shape_.vocab_size;
  std::vector<std::uint16_t> row(shape_.row_values());
  for (std::size_t at = 0; at < logits.size(); at += vocab, ++written_) {
    const std::span<const float> here = logits.subspan(at, vocab);
    if (!std::ranges::all_of(here, [](float logit) { return std::isfinite(logit); }))
      return fail(ErrorCode::kFailed,
                  "the base has a logit that is not a finite number, which a base file cannot hold");
    const auto [least, most] = std::ranges::minmax(here);
    const float bottom = std::max(least, most - kReach);
    double sum = 0;
    for (const float logit : here) sum += std::exp(static_cast<double>(logit) - static_cast<double>(most));
    const float floor = bottom - most - static_cast<float>(std::log(sum)), step = (most - bottom) / kSteps;
    std::memcpy(row.data(), &step, sizeof(float));
    std::memcpy(row.data() + 2, &floor, sizeof(float));
    for (std::size_t i = 0; i < vocab; ++i) {
      const float code = step > 0 ? std::nearbyint((std::max(here[i], bottom) - bottom) / step) : 0.0F;
      row[4 + i] = static_cast<std::uint16_t>(std::min(code, kSteps));
    }
    if (Result<void> written = file_.write(std::as_bytes(std::span(row))); !written) return written;
  }
  return {};
}

Result<void> KldBaseWriter::commit() {
  assert(written_ == shape_.windows * shape_.scored_per_window());
  return file_.commit();
}

}  // namespace tq
