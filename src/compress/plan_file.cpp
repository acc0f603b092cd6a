// Plans as JSON.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "formats/json.h"
#include "turboquant/codec.h"
#include "turboquant/plan.h"

namespace tq {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::string_view kSchema = "turboquant.plan/1";
// Far beyond any model; they bound what a file can make of a few bytes.
constexpr std::size_t kMaxTensors = 1 << 16, kMaxLayers = 1 << 12, kMaxOptions = 64, kMaxNameBytes = 256;
constexpr double kMostBytes = 1e14;  // of a group: the sum of all groups stays below 2^63

/// The two kinds of groups in a file.
struct GroupKeys {
  std::string_view groups, values;
  bool have_tensors;
};
constexpr GroupKeys kMatrices = {"groups", "weights", true}, kCache = {"cache_groups", "values", false};

/// Each step returns false after the first failure, which is kept in error_.
class PlanReader {
 public:
  explicit PlanReader(std::string_view name) : name_(name) {}

  Result<Plan> read(object root) {
    Plan plan;
    std::string schema;
    if (!text(root, "schema", schema)) return std::unexpected(error_);
    if (schema != kSchema) {
      refuse("it is no plan of this version: its schema is not {}", kSchema);
      return std::unexpected(error_);
    }
    if (!text(root, "model", plan.model) || !text(root, "method", plan.method) || !read_tensors(root, plan) ||
        !read_cache(root, plan) || !read_groups(root, kMatrices, plan.groups) ||
        !read_groups(root, kCache, plan.cache_groups))
      return std::unexpected(error_);
    if (plan.cache_groups.empty() || plan.cache_groups.size() == 2 * plan.cache.size()) return plan;
    refuse("it has {} cache_groups, and for the keys and values of {} layers there are {}", plan.cache_groups.size(),
           plan.cache.size(), 2 * plan.cache.size());
    return std::unexpected(error_);
  }

 private:
  template <class... Args>
  bool refuse(fmt::format_string<Args...> what, Args&&... args) {
    error_ = {ErrorCode::kBadFile, fmt::format("{}: {}", name_, fmt::format(what, std::forward<Args>(args)...))};
    return false;
  }

  bool text(object from, std::string_view key, std::string& target) {
    std::string_view value;
    if (from[key].get(value) || value.size() > kMaxNameBytes)
      return refuse("the key {} is missing or no text of at most {} bytes", key, kMaxNameBytes);
    target = value;
    return true;
  }

  bool count(object from, std::string_view key, std::uint64_t& target) {
    std::uint64_t value = 0;
    if (from[key].get(value) || static_cast<double>(value) > kMostBytes)
      return refuse("the key {} is missing or no count", key);
    target = value;
    return true;
  }

  bool codec(std::string_view value, std::string& target) {
    if (!CodecSpec::parse(value)) return refuse("there is no codec {}; 'tq codecs' lists them", in_quotes(value));
    target = value;
    return true;
  }

  bool read_tensors(object root, Plan& plan) {
    object tensors;
    if (root["tensors"].get(tensors)) return refuse("the key tensors is missing or no object");
    for (const auto [tensor, value] : tensors) {
      std::string_view type;
      if (value.get(type)) return refuse("the type of the tensor {} is no text", in_quotes(tensor));
      if (tensor.size() > kMaxNameBytes || plan.tensors.size() == kMaxTensors)
        return refuse("a tensor's name is longer than {} bytes, or it is one of more than {}", kMaxNameBytes,
                      kMaxTensors);
      const auto [at, added] = plan.tensors.emplace(tensor, "");
      if (!added) return refuse("the tensor {} stands twice", in_quotes(tensor));
      if (!codec(type, at->second)) return false;
    }
    return true;
  }

  /// `K` or `K:V` for each layer.
  bool read_cache(object root, Plan& plan) {
    const auto found = root["cache"];
    if (found.error() == simdjson::NO_SUCH_FIELD) return true;
    array layers;
    if (found.get(layers)) return refuse("the key cache is no list");
    for (const element item : layers) {
      std::string_view layer;
      if (item.get(layer) || plan.cache.size() == kMaxLayers)
        return refuse("a layer of the cache is no text, or one of more than {}", kMaxLayers);
      const std::size_t colon = std::min(layer.find(':'), layer.size());
      std::string k, v;
      if (!codec(layer.substr(0, colon), k)) return false;
      if (colon < layer.size() && !codec(layer.substr(colon + 1), v)) return false;
      plan.cache.emplace_back(layer);
    }
    return true;
  }

  bool read_groups(object root, const GroupKeys& keys, std::vector<PlanGroup>& groups) {
    const auto found = root[keys.groups];
    if (found.error() == simdjson::NO_SUCH_FIELD) return true;
    array items;
    if (found.get(items)) return refuse("the key {} is no list", keys.groups);
    for (const element item : items) {
      object group;
      if (item.get(group) || groups.size() == kMaxTensors)
        return refuse("one of the {} is no object, or there are more than {}", keys.groups, kMaxTensors);
      if (!read_group(group, keys, groups.emplace_back())) return false;
    }
    return true;
  }

  bool read_group(object from, const GroupKeys& keys, PlanGroup& group) {
    array options;
    std::uint64_t choice = 0;
    if (!text(from, "name", group.name) || !count(from, keys.values, group.values) || !count(from, "choice", choice))
      return false;
    if (keys.have_tensors && !read_group_tensors(from, group)) return false;
    if (from["options"].get(options)) return refuse("the group {} has no list of options", in_quotes(group.name));
    for (const element item : options) {
      object option;
      if (item.get(option) || group.options.size() == kMaxOptions)
        return refuse("an option of the group {} is no object, or one of more than {}", in_quotes(group.name),
                      kMaxOptions);
      if (!read_option(option, group.options.emplace_back())) return false;
    }
    group.choice = choice;
    if (choice < group.options.size()) return true;
    return refuse("the group {} has no option {}", in_quotes(group.name), choice);
  }

  bool read_group_tensors(object from, PlanGroup& group) {
    array tensors;
    if (from["tensors"].get(tensors)) return refuse("the group {} has no list of tensors", in_quotes(group.name));
    for (const element item : tensors) {
      std::string_view tensor;
      if (item.get(tensor) || tensor.size() > kMaxNameBytes || !grouped_.emplace(tensor).second)
        return refuse("a tensor of the group {} is no text, too long, or in two groups", in_quotes(group.name));
      if (grouped_.size() > kMaxTensors) return refuse("it has more than {} tensors", kMaxTensors);
      group.tensors.emplace_back(tensor);
    }
    return true;
  }

  bool read_option(object from, PlanOption& option) {
    std::string name;
    if (!text(from, "codec", name) || !codec(name, option.codec) || !count(from, "bytes", option.bytes)) return false;
    if (from["kld"].get(option.kld) || !(option.kld >= 0) || !(option.kld < 1e9))
      return refuse("the kld of an option is missing or no number from 0");
    if (from["measured"].get(option.measured)) return refuse("an option does not say whether it was measured");
    return true;
  }

  std::string_view name_;
  std::set<std::string, std::less<>> grouped_;
  Error error_;
};

nlohmann::ordered_json json_of(std::span<const PlanGroup> groups, const GroupKeys& keys) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const PlanGroup& group : groups) {
    nlohmann::ordered_json json;
    json["name"] = group.name;
    if (keys.have_tensors) json["tensors"] = group.tensors;
    json[keys.values] = group.values;
    json["choice"] = group.choice;
    json["options"] = nlohmann::ordered_json::array();
    for (const PlanOption& option : group.options) {
      json["options"].push_back({{"codec", option.codec},
                                 {"bytes", option.bytes},
                                 {"kld", std::isfinite(option.kld) ? option.kld : 1e8},
                                 {"measured", option.measured}});
    }
    all.push_back(std::move(json));
  }
  return all;
}

}  // namespace

Result<Plan> parse_plan(std::string_view json, std::string_view name) {
  simdjson::dom::parser parser;
  const Result<object> root = parse_json_object(json, name, parser);
  if (!root) return std::unexpected(root.error());
  return PlanReader(name).read(*root);
}

std::string to_json(const Plan& plan) {
  nlohmann::ordered_json json;
  json["schema"] = kSchema;
  json["model"] = plan.model;
  json["method"] = plan.method;
  if (!plan.groups.empty()) {
    json["bits"] = bits_of(plan.groups);
    json["predicted_kld"] = kld_of(plan.groups);
  }
  if (!plan.cache_groups.empty()) {
    json["cache_bits"] = bits_of(plan.cache_groups);
    json["predicted_cache_kld"] = kld_of(plan.cache_groups);
  }
  json["tensors"] = plan.tensors;
  if (!plan.cache.empty()) json["cache"] = plan.cache;
  if (!plan.groups.empty()) json["groups"] = json_of(plan.groups, kMatrices);
  if (!plan.cache_groups.empty()) json["cache_groups"] = json_of(plan.cache_groups, kCache);
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace tq
