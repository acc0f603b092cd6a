#include "eval/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "base/bytes.h"
#include "base/output_file.h"
#include "eval/provenance.h"
#include "formats/message.h"

namespace tq::eval {
namespace {

constexpr std::string_view kMagic = "tq eval\n";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kChecksumBytes = 64;  // as hexadecimal digits

class Writer {
 public:
  template <class T>
  requires std::is_arithmetic_v<T>
  void operator()(const T& value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T)); }
  template <class T>
  void operator()(std::vector<T>& values) {
    (*this)(std::uint64_t{values.size()});
    for (T& value : values) item(value);
  }
  std::string take() { return std::move(bytes_); }

 private:
  template <class T>
  void item(T& value) {
    if constexpr (requires { value.exchange(*this); })
      value.exchange(*this);
    else
      (*this)(value);
  }
  std::string bytes_;
};

/// After the first thing that does not fit, nothing is read any more.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class T>
  requires std::is_arithmetic_v<T>
  void operator()(T& value) { whole_ = whole_ && bytes_.read(value); }
  template <class T>
  void operator()(std::vector<T>& values) {
    constexpr std::size_t kLeast = std::is_arithmetic_v<T> ? sizeof(T) : sizeof(std::uint64_t);  // bytes of an item
    std::uint64_t count = 0;
    (*this)(count);
    whole_ = whole_ && count <= bytes_.remaining() / kLeast;
    if (!whole_) return;
    values.clear();
    for (std::uint64_t i = 0; i < count && whole_; ++i) item(values.emplace_back());
  }
  bool at_end() const { return whole_ && bytes_.remaining() == 0; }

 private:
  template <class T>
  void item(T& value) {
    if constexpr (requires { value.exchange(*this); })
      value.exchange(*this);
    else
      (*this)(value);
  }
  ByteReader bytes_;
  bool whole_ = true;
};

std::string_view next_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

std::unexpected<Error> differs(std::string_view name, std::string_view there, std::string_view here) {
  while (!there.empty() || !here.empty()) {
    const std::string_view theirs = next_line(there), ours = next_line(here);
    if (theirs != ours)
      return fail(ErrorCode::kUsage,
                  fmt::format("{}: it is of another evaluation, with {}, where this one has {}; name "
                              "another file, or remove it",
                              name, in_quotes(theirs), in_quotes(ours)));
  }
  return fail(ErrorCode::kUsage, fmt::format("{}: it is of another evaluation", name));
}

bool is_sound(const LaneRecord& record, std::size_t windows, const CheckpointLimits& limits) {
  return record.windows == windows && record.text.is_consistent(windows * limits.scored_per_window) &&
         record.kld_at.size() == (windows == 0 ? 0 : limits.scored_per_window) &&
         record.continuation.is_consistent(limits.continuations * limits.length);
}

bool is_sound(const EvalState& state, const CheckpointLimits& limits) {
  if (state.windows > limits.windows || state.alone > limits.lanes || state.lanes.size() != limits.lanes) return false;
  if (state.windows > 0 && state.alone != limits.lanes) return false;
  if (state.words.size() != (state.alone > 0 ? limits.continuations : 0)) return false;
  for (const Words& words : state.words) {
    const auto known = [&](TokenId id) { return id >= 0 && static_cast<std::size_t>(id) < limits.vocab_size; };
    if (words.size() > limits.length || !std::ranges::all_of(words, known)) return false;
  }
  const bool floor_is_sound = is_sound(state.floor, 0, limits) || is_sound(state.floor, 1, limits);
  return floor_is_sound && std::ranges::all_of(state.lanes, [&](const LaneRecord& lane) {
           return is_sound(lane, state.windows, limits);
         });
}

}  // namespace

Result<EvalState> parse_checkpoint(std::span<const std::byte> bytes, std::string_view name,
                                   const CheckpointLimits& limits) {
  ByteReader header(bytes);
  std::string_view magic, description;
  std::uint32_t version = 0, length = 0;
  if (!header.take(kMagic.size(), magic) || magic != kMagic)
    return bad_file(name, "it is no unfinished evaluation; --resume wants a file of its own");
  if (!header.read(version) || version != kVersion)
    return bad_file(name, "it is of version {}, and this program reads {}", version, kVersion);
  if (!header.read(length) || !header.take(length, description) || header.remaining() < kChecksumBytes)
    return bad_file(name, "it ends within its header");
  const std::size_t end = bytes.size() - kChecksumBytes;
  if (sha256_hex(as_text(bytes.first(end))) != as_text(bytes.subspan(end)))
    return bad_file(name, "its checksum is wrong: it is damaged; remove it to begin anew");
  if (description != limits.description) return differs(name, description, limits.description);
  EvalState state;
  Reader reader(bytes.subspan(header.position(), end - header.position()));
  state.exchange(reader);
  if (!reader.at_end() || !is_sound(state, limits)) return bad_file(name, "its counts do not fit each other");
  return state;
}

std::string checkpoint_bytes(EvalState& state, std::string_view description) {
  Writer header, payload;
  header(kVersion);
  header(static_cast<std::uint32_t>(description.size()));
  state.exchange(payload);
  std::string bytes = std::string(kMagic) + header.take() + std::string(description) + payload.take();
  return bytes + sha256_hex(bytes);
}

Result<void> write_checkpoint(const std::filesystem::path& path, EvalState& state, std::string_view description) {
  Result<OutputFile> file = OutputFile::create(path);
  if (!file) return std::unexpected(file.error());
  const std::string bytes = checkpoint_bytes(state, description);
  if (Result<void> written = file->write(as_bytes(bytes)); !written) return written;
  return file->commit();
}

}  // namespace tq::eval
