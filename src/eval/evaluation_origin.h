// What an evaluation is of: all that decides its figures.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "eval/lane.h"
#include "eval/windows.h"

namespace tq::eval {

struct EvaluationOrigin {
  std::string_view text_sha256, base;
};

/// One `key: value` a line. Equal texts, equal figures: threads and CPU targets change none.
std::string describe_evaluation(const EvalOptions& options, const Windows& windows, std::span<const Lane> lanes,
                                const EvaluationOrigin& origin);

/// The row of a base of which only predictions are known.
void forget_base(EvalRow& base);

}  // namespace tq::eval
