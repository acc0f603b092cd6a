// One tensor from one codec to another, a slab of rows at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "base/thread_pool.h"
#include "compress/plan.h"
#include "quant/feedback_encoder.h"

namespace tq {

/// Takes the next bytes of the output.
using ByteSink = std::function<Result<void>(std::span<const std::byte>)>;

/// Rows first … first + n − 1 of `tensor` in their new order, as the source has them.
void decode_source_rows(const PlannedTensor& tensor, std::size_t first, std::size_t n, float* out);

/// Decodes the rows of `tensor` in their new order, prescaled if that was planned (the factors must be made), codes
/// them, and hands over the coded bytes in order; or copies. Sets report.relative_error. kBadFile for a NaN or an
/// infinity. `path` is named in messages. With an encoder, rows are coded by it and report.output_error is set.
Result<void> encode_tensor(PlannedTensor& tensor, const std::string& path, ThreadPool& pool,
                           const FeedbackEncoder* encoder, const ByteSink& sink);

}  // namespace tq
