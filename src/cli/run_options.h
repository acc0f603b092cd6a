// What `tq run` can be asked for.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "cli/choices.h"
#include "turboquant/model.h"
#include "turboquant/sampler.h"
#include "turboquant/session.h"

namespace tq::cli {

struct RunChoice {
  ModelChoice model;
  CacheChoice cache;
  EngineChoice engine;
  std::string weights, plan, prompt, file, dash, json, save_cache, restore_cache;
  std::string system, chat_template, chat_variables, json_schema;
  std::vector<std::string> stop, tensor_types;
  bool has_prompt = false, has_keep = false, has_tokens = false, context_shift = false, chat = false;
  long long tokens = 128, context = -1, seed = 1, keep = -1;
  std::size_t batch = 512, physical_batch = 512;
  SamplerOptions sampling;

  std::size_t batch_size() const { return batch < physical_batch ? batch : physical_batch; }
  std::size_t most_tokens() const { return tokens < 0 ? SIZE_MAX : static_cast<std::size_t>(tokens); }
};

void add_run_options(CommandLine& line, RunChoice& choice);
/// Takes weights from --plan, and the cache where --kv is not given; puts --tensor-type behind the weights. `weights`
/// is what load_compressed() takes then.
Result<void> apply_plan(RunChoice& choice);
/// Which of them go together; kUsage otherwise.
Result<void> check_run_choice(const RunChoice& choice);

/// The prompt from the one place that was named; kUsage when there is none, or more than one.
Result<std::string> read_prompt(const RunChoice& choice);
/// The one cache of --kv; `auto` has yet to be chosen.
Result<std::vector<CacheSpec>> only_cache(const CacheChoice& choice);

/// Says on standard error when `context` is longer than what the model was trained for.
Result<std::unique_ptr<Session>> create_session(const RunChoice& choice, std::shared_ptr<const Model> model,
                                                const CacheSpec& cache, std::size_t context);

}  // namespace tq::cli
