// Writes the vectors of docs/benchmarks/vectors.md: clustered_vectors ROWS DIM QUERIES BASE.fvecs QUERIES.fvecs
//
// Unit vectors around 1000 centres. A centre is Gaussian with standard deviations that fall as 1/√(1 + 8 i / dim) from
// coordinate to coordinate, so that neither clusters nor directions are alike; a row, or a query, is a random centre
// plus 0.6 times such a vector.
#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numbers>
#include <vector>

#include "base/random.h"

namespace {

constexpr std::size_t kCentres = 1000;
constexpr float kSpread = 0.6F;

class Source {
 public:
  explicit Source(std::size_t dim) : dim_(dim), centres_(kCentres * dim) {
    for (std::size_t c = 0; c < kCentres; ++c) draw(centres_.data() + c * dim);
  }

  void row(std::vector<float>& x) {
    const float* centre = centres_.data() + tq::next_random(state_) % kCentres * dim_;
    draw(x.data());
    double squares = 0;
    for (std::size_t i = 0; i < dim_; ++i) {
      x[i] = centre[i] + kSpread * x[i];
      squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    for (float& value : x) value = static_cast<float>(static_cast<double>(value) / std::sqrt(squares));
  }

 private:
  void draw(float* x) {
    for (std::size_t i = 0; i < dim_; ++i) {
      const double u = 1.0 - tq::next_uniform(state_), v = tq::next_uniform(state_);
      const double gaussian = std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
      x[i] = static_cast<float>(gaussian / std::sqrt(1 + 8 * static_cast<double>(i) / static_cast<double>(dim_)));
    }
  }

  std::size_t dim_;
  std::uint64_t state_ = 20;
  std::vector<float> centres_;
};

bool write(Source& source, std::size_t rows, std::size_t dim, const char* path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "wb"), &std::fclose);
  if (file == nullptr) return false;
  const auto length = static_cast<std::int32_t>(dim);
  std::vector<float> x(dim);
  for (std::size_t r = 0; r < rows; ++r) {
    source.row(x);
    if (std::fwrite(&length, sizeof length, 1, file.get()) != 1) return false;
    if (std::fwrite(x.data(), sizeof(float), dim, file.get()) != dim) return false;
  }
  return std::fflush(file.get()) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    fmt::print(stderr, "usage: clustered_vectors ROWS DIM QUERIES BASE.fvecs QUERIES.fvecs\n");
    return 2;
  }
  const std::size_t rows = std::strtoull(argv[1], nullptr, 10), dim = std::strtoull(argv[2], nullptr, 10);
  const std::size_t queries = std::strtoull(argv[3], nullptr, 10);
  Source source(dim);
  if (write(source, rows, dim, argv[4]) && write(source, queries, dim, argv[5])) return 0;
  fmt::print(stderr, "cannot write {} or {}\n", argv[4], argv[5]);
  return 1;
}
