#include "eval/levels.h"

#include <fmt/format.h>

#include <map>

#include "turboquant/plan.h"

namespace tq {

bool names_a_file(std::string_view weights) {
  const std::string type = split_weights(weights).type;
  return (type.find('/') != type.npos || type.ends_with(".gguf")) && !names_a_plan(type);
}

namespace eval {
namespace {

using Models = std::map<std::string, std::shared_ptr<const Model>>;

Result<CacheSpec> parse_cache(const std::string& name, const LevelChoice& choice, const ModelConfig& config) {
  Result<CacheSpec> spec = read_cache_spec(name);
  if (!spec) return spec;
  spec->set_seed(choice.seed);
  if (const auto fits = cache_footprint(config, *spec, choice.context); !fits) return std::unexpected(fits.error());
  return spec;
}

/// The model of another file, which must read the same tokens.
Result<std::shared_ptr<const Model>> load_other(const std::string& path, const TensorFile& file, unsigned threads) {
  Result<std::shared_ptr<const TensorFile>> other = TensorFile::open(path);
  if (!other) return fail(std::move(other));
  Result<std::shared_ptr<const Model>> model = Model::load(std::move(*other), {.weights = {}, .threads = threads});
  if (!model) return model;
  const Result<ModelConfig> config = read_model_config(file);
  if (!config) return std::unexpected(config.error());
  if ((*model)->config().vocab_size == config->vocab_size) return model;
  return fail(ErrorCode::kUsage, fmt::format("{} has {} tokens, and {} has {}: they cannot be compared", path,
                                             (*model)->config().vocab_size, file.path(), config->vocab_size));
}

/// One model for each way to hold the weights; "" is the file's own.
Result<Models> load_models(const std::shared_ptr<const TensorFile>& file, std::vector<std::string> names,
                           unsigned threads) {
  Models models;
  names.emplace_back();
  for (const std::string& name : names) {
    if (models.contains(name)) continue;
    Result<std::shared_ptr<const Model>> model =
        names_a_file(name) ? load_other(name, *file, threads) : load_compressed(file, name, threads);
    if (!model) return fail(std::move(model));
    models.emplace(name, std::move(*model));
  }
  return models;
}

}  // namespace

Result<Levels> parse_levels(const LevelChoice& choice, const ModelConfig& config) {
  Levels levels{{choice.weights.begin(), choice.weights.end()}, {}, {}};
  Result<CacheSpec> base = parse_cache(choice.base_kv, choice, config);
  if (!base) return fail(std::move(base));
  levels.base = std::move(*base);
  for (const std::string& name : choice.kv) {
    Result<CacheSpec> cache = parse_cache(name, choice, config);
    if (!cache) return fail(std::move(cache));
    levels.caches.push_back(std::move(*cache));
  }
  for (const std::string& name : choice.weights) {
    const std::string type = split_weights(name).type;
    if (type.empty() || names_a_file(type) || names_a_plan(type) || is_average(type)) continue;
    if (const Result<CodecSpec> spec = CodecSpec::parse(type); !spec) return std::unexpected(spec.error());
  }
  return levels;
}

Result<std::vector<Lane>> load_lanes(const std::shared_ptr<const TensorFile>& file, const Levels& levels,
                                     unsigned threads) {
  const Result<Models> models = load_models(file, levels.weights, threads);
  if (!models) return std::unexpected(models.error());
  std::vector<Lane> lanes;
  lanes.emplace_back(models->at(""), levels.base);
  for (const std::string& weights : levels.weights) {
    for (const CacheSpec& cache : levels.caches) lanes.emplace_back(models->at(weights), cache);
  }
  return lanes;
}

}  // namespace eval
}  // namespace tq
