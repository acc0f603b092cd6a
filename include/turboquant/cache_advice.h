// Which cache is safe for a model: what `--kv auto` takes.
#pragma once

#include <string>

#include "turboquant/model.h"
#include "turboquant/session.h"

namespace tq {

struct CacheAdvice {
  CacheSpec spec;
  std::string reason;  ///< one or two sentences, without a full stop at the end
};

/// Begins with 4 bits for keys and values, adds one for each property of the model that is known to make a cache
/// sensitive (docs/evaluation.md lists them and where they were seen), at most 8, keeps the first tokens exact, and
/// takes a large bias or mean out of the keys. It looks at the shape of the model and at the weights of its key
/// projections, not at any text: a measurement with `tq eval` knows more. Thread-safe.
CacheAdvice advise_cache(const Model& model);

}  // namespace tq
