// Queries in integers of 16 bits, for products with rows of small integers.
#pragma once

#include "turboquant/codec.h"

namespace tq {

/// Rows that meet all queries before the next ones do: then rows and four queries stay in a level-1 cache.
constexpr std::size_t kIntegerRows = 8;

/// Room for query.count rows of `dim` values, a multiple of 32.
void make_integer_room(std::size_t dim, Query& query);
/// Rows begin … end − 1: words, unit, and query.runs, integer_runs(dim) to a row.
void make_integers(std::size_t dim, std::size_t begin, std::size_t end, Query& query);
/// Runs of 16, filled up to a multiple of 16.
constexpr std::size_t integer_runs(std::size_t dim) { return (dim / 16 + 15) / 16 * 16; }

}  // namespace tq
