// Trains the tables of src/quant/trellis_tables.cpp and prints them:
//     train_trellis BITS WINDOW [ROUNDS]
// A round codes Gaussian rows of 128 as the codec does and moves each value to the mean of the samples that were coded
// with it, which is Lloyd's iteration over whole rows. The samples depend on nothing but the round.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <vector>

#include "base/random.h"
#include "quant/trellis.h"

namespace {

constexpr std::size_t kDim = 128, kTrainingRows = 4096, kTestRows = 8192;

struct Training {
  unsigned bits, window;
  std::vector<float> values;
  std::size_t size() const { return std::size_t{1} << window; }
};

std::vector<float> gaussian(std::size_t n, std::uint64_t seed) {
  std::uint64_t state = seed + 0x7261494E00000000ULL;
  std::vector<float> values(n);
  for (float& value : values) {
    const double u = 1.0 - tq::next_uniform(state), v = tq::next_uniform(state);
    value = static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v));
  }
  return values;
}

/// The x with a part `u` of the normal distribution below it, by bisection.
double normal_quantile(double u) {
  double low = -9, high = 9;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::numbers::sqrt2) < u ? low : high) = middle;
  }
  return (low + high) / 2;
}

std::size_t reversed(std::size_t x, unsigned bits) {
  std::size_t result = 0;
  for (unsigned i = 0; i < bits; ++i) result |= (x >> i & 1U) << (bits - 1 - i);
  return result;
}

/// Ungerboeck's rule: the 2^bits windows before one state, and those with one state in common, lie in different cells
/// of 2^bits.
Training start(unsigned bits, unsigned window) {
  Training t{bits, window, std::vector<float>(std::size_t{1} << window)};
  const unsigned state_bits = window - bits;
  const std::size_t cells = std::size_t{1} << bits, states = std::size_t{1} << state_bits;
  for (std::size_t w = 0; w < t.size(); ++w) {
    const std::size_t code = w % cells, oldest = w >> state_bits, behind = w >> bits;
    const double within = (static_cast<double>(reversed(behind, state_bits)) + 0.5) / static_cast<double>(states);
    const double u = (static_cast<double>((code + oldest) % cells) + within) / static_cast<double>(cells);
    t.values[w] = static_cast<float>(normal_quantile(u));
  }
  return t;
}

/// Codes each row; adds every sample to the sum of its window. Returns the mean squared error.
double code_rows(const Training& t, const std::vector<float>& rows, std::vector<double>& sums,
                 std::vector<double>& counts) {
  const tq::TrellisSearch search(t.bits, t.window, t.values);
  tq::Workspace scratch;
  std::vector<std::uint16_t> codes(kDim);
  double error = 0;
  for (std::size_t r = 0; r < rows.size(); r += kDim) {
    search.run(rows.data() + r, kDim, scratch, codes.data());
    for (std::size_t i = 0; i < kDim; ++i) {
      std::size_t window = 0;
      for (unsigned have = 0, j = 0; have < t.window; have += t.bits, ++j)
        window |= std::size_t{codes[(i + j) % kDim]} << have;
      window %= t.size();
      const double x = static_cast<double>(rows[r + i]);
      error += std::pow(x - static_cast<double>(t.values[window]), 2);
      sums[window] += x;
      counts[window] += 1;
    }
  }
  return error / static_cast<double>(rows.size());
}

double error_of(const Training& t, const std::vector<float>& rows) {
  std::vector<double> sums(t.size()), counts(t.size());
  return code_rows(t, rows, sums, counts);
}

void train(Training& t, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> sums(t.size()), counts(t.size());
    const double error = code_rows(t, gaussian(kTrainingRows * kDim, static_cast<std::uint64_t>(round)), sums, counts);
    for (std::size_t w = 0; w < t.size(); ++w) {
      if (counts[w] > 0) t.values[w] = static_cast<float>(sums[w] / counts[w]);
    }
    if (round % 10 == 0) fmt::print(stderr, "round {}: {:.6f}\n", round, error);
  }
}

/// Rounds the values to multiples of a unit that brings the largest to 127, and prints them.
void print_rounded(const Training& t, int rounds) {
  const std::vector<float> test = gaussian(kTestRows * kDim, 1U << 20);
  float largest = 0;
  for (const float v : t.values) largest = std::max(largest, std::abs(v));
  const float steps = std::ceil(largest / 127 * 4096), unit = steps / 4096;
  Training rounded = t;
  for (float& v : rounded.values) v = std::round(v / unit) * unit;
  fmt::print("// train_trellis {} {} {}: mean squared error {:.6f}, {:.6f} before rounding.\n", t.bits, t.window,
             rounds, error_of(rounded, test), error_of(t, test));
  fmt::print("constexpr float kUnit{} = {}.0F / 4096;\nconstexpr std::int8_t kTable{}[] = {{\n", t.bits, steps, t.bits);
  for (std::size_t w = 0; w < t.size(); ++w) {
    fmt::print("{}{}", w % 16 == 0 ? "    " : " ", std::lround(t.values[w] / unit));
    fmt::print("{}", w % 16 == 15 ? ",\n" : ",");
  }
  fmt::print("    0, 0, 0}};  // read, not used\n");
}

}  // namespace

int main(int argc, char** argv) {
  const int bits = argc > 1 ? std::atoi(argv[1]) : 0, window = argc > 2 ? std::atoi(argv[2]) : 0;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 200;
  if (bits < 1 || bits > 5 || window < bits + 4 || window > bits + 7 || window > 9 || rounds < 1) {
    fmt::print(stderr,
               "train_trellis BITS WINDOW [ROUNDS]\nBITS is 1 to 5, WINDOW is 4 to 7 more than BITS and at most 9\n");
    return 2;
  }
  Training t = start(static_cast<unsigned>(bits), static_cast<unsigned>(window));
  train(t, rounds);
  print_rounded(t, rounds);
}
