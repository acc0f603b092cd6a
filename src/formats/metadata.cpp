#include "base/checked.h"
#include "turboquant/tensor_file.h"

namespace tq {
namespace {

template <class T>
const T* get(const Metadata& metadata, std::string_view key) {
  const Metadata::Value* value = metadata.find(key);
  return value == nullptr ? nullptr : std::get_if<T>(value);
}

}  // namespace

const Metadata::Value* Metadata::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

std::optional<std::int64_t> Metadata::integer(std::string_view key) const {
  if (const auto* value = get<std::int64_t>(*this, key)) return *value;
  if (const auto* value = get<std::uint64_t>(*this, key)) return checked_cast<std::int64_t>(*value);
  return std::nullopt;
}

std::optional<double> Metadata::number(std::string_view key) const {
  if (const auto* value = get<double>(*this, key)) return *value;
  if (const auto* value = get<std::int64_t>(*this, key)) return static_cast<double>(*value);
  if (const auto* value = get<std::uint64_t>(*this, key)) return static_cast<double>(*value);
  return std::nullopt;
}

std::optional<bool> Metadata::boolean(std::string_view key) const {
  const auto* value = get<bool>(*this, key);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::optional<std::string_view> Metadata::string(std::string_view key) const {
  const auto* value = get<std::string>(*this, key);
  return value == nullptr ? std::nullopt : std::optional<std::string_view>(*value);
}

const Metadata::Strings* Metadata::strings(std::string_view key) const { return get<Strings>(*this, key); }
const Metadata::Integers* Metadata::integers(std::string_view key) const { return get<Integers>(*this, key); }
const Metadata::Numbers* Metadata::numbers(std::string_view key) const { return get<Numbers>(*this, key); }

}  // namespace tq
