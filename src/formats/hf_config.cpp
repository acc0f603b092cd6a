#include "formats/hf_config.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "formats/json.h"

namespace tq {
namespace {

using simdjson::dom::element;

constexpr std::string_view kPrefix = "hf";
// Together they bound the memory of a file whose nesting repeats a long key before millions of short ones.
constexpr std::size_t kMaxKeys = 65536;
constexpr std::size_t kMaxKeyBytes = 1024;

template <class List>
std::optional<Metadata::Value> list_of(simdjson::dom::array array) {
  List list;
  for (const element item : array) {
    if constexpr (std::is_same_v<List, Metadata::Strings>) {
      std::string_view text;
      if (item.get(text)) return std::nullopt;
      list.emplace_back(text);
    } else if constexpr (std::is_same_v<List, Metadata::Integers>) {
      bool truth = false;
      std::int64_t number = 0;
      if (item.get(number) && item.get(truth)) return std::nullopt;
      list.push_back(item.is_bool() ? static_cast<std::int64_t>(truth) : number);
    } else {
      double number = 0;
      if (item.get(number)) return std::nullopt;
      list.push_back(number);
    }
  }
  return list;
}

std::optional<Metadata::Value> array_value(simdjson::dom::array array) {
  if (array.begin() == array.end()) return std::nullopt;
  if (auto list = list_of<Metadata::Strings>(array)) return list;
  if (auto list = list_of<Metadata::Integers>(array)) return list;
  return list_of<Metadata::Numbers>(array);
}

std::optional<Metadata::Value> metadata_value(element value) {
  switch (value.type()) {
    case simdjson::dom::element_type::INT64:
      return std::int64_t{value.get_int64().value_unsafe()};
    case simdjson::dom::element_type::UINT64:
      return std::uint64_t{value.get_uint64().value_unsafe()};
    case simdjson::dom::element_type::DOUBLE:
      return value.get_double().value_unsafe();
    case simdjson::dom::element_type::BOOL:
      return value.get_bool().value_unsafe();
    case simdjson::dom::element_type::STRING:
      return std::string(value.get_string().value_unsafe());
    case simdjson::dom::element_type::ARRAY:
      return array_value(value.get_array().value_unsafe());
    default:
      return std::nullopt;
  }
}

class ConfigReader {
 public:
  ConfigReader(std::string_view name, Metadata& metadata) : name_(name), metadata_(metadata) {}

  /// The depth is bounded by simdjson's 1024 levels.
  Result<void> flatten(simdjson::dom::object object, const std::string& prefix) {
    for (const auto [key, value] : object) {
      if (prefix.size() + 1 + key.size() > kMaxKeyBytes || paths_.size() == kMaxKeys) {
        return bad_file(name_, "the key {} is longer than {} bytes, or one of more than {}", in_quotes(key),
                        kMaxKeyBytes, kMaxKeys);
      }
      const std::string path = fmt::format("{}.{}", prefix, key);
      if (!paths_.insert(path).second) {
        return bad_file(name_, "the key {} stands twice", in_quotes(std::string_view(path).substr(kPrefix.size() + 1)));
      }
      simdjson::dom::object nested;
      if (!value.get(nested)) {
        if (Result<void> done = flatten(nested, path); !done) return done;
      } else if (auto flat = metadata_value(value)) {
        metadata_.set(path, std::move(*flat));
      }
    }
    return {};
  }

 private:
  std::string_view name_;
  Metadata& metadata_;
  std::set<std::string> paths_;  // also of what is left out, and of objects
};

}  // namespace

Result<void> parse_hf_config(std::string_view json, std::string_view name, Metadata& metadata) {
  simdjson::dom::parser parser;
  const Result<simdjson::dom::object> root = parse_json_object(json, name, parser);
  if (!root) return std::unexpected(root.error());
  return ConfigReader(name, metadata).flatten(*root, std::string(kPrefix));
}

}  // namespace tq
