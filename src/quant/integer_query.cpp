#include "quant/integer_query.h"

#include "simd/kernels.h"

namespace tq {

void make_integer_room(std::size_t dim, Query& query) {
  query.words.resize(query.count * dim);
  query.units.resize(query.count);
  query.runs.assign(query.count * integer_runs(dim), 0.0F);
}

void make_integers(std::size_t dim, std::size_t begin, std::size_t end, Query& query) {
  std::vector<std::int8_t> planes(2 * dim);
  std::int8_t *high = planes.data(), *low = high + dim;
  for (std::size_t i = begin; i < end; ++i) {
    std::int32_t sums[2];
    kernels().to_words(query.coded.data() + i * dim, dim, high, low, &query.units[i], sums);
    std::int16_t* words = query.words.data() + i * dim;
    for (std::size_t j = 0; j < dim; ++j) words[j] = static_cast<std::int16_t>(254 * high[j] + low[j]);
    float* runs = query.runs.data() + i * integer_runs(dim);
    for (std::size_t r = 0; r < dim / 16; ++r) {
      std::int32_t sum = 0;
      for (std::size_t j = 16 * r; j < 16 * r + 16; ++j) sum += words[j];
      runs[r] = static_cast<float>(sum);
    }
  }
}

}  // namespace tq
