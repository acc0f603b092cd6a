// Trains the tables of src/quant/trellis_tables.cpp and prints them:
//     train_trellis BITS WINDOW [ROUNDS [MIRROR DEALING]]
//     train_trellis BITS WINDOW search
// A round codes Gaussian rows of 128 as the codec does and moves each value to the mean of the samples that were coded
// with it, which is Lloyd's iteration over whole rows. The samples depend on nothing but the round. Windows w and w ^
// MIRROR share a value. The search tries all mirrors with the highest bit and all dealings for a few rounds, goes on
// with the better ones for longer, and prints what is left with its error on other rows.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "quant/trellis.h"

namespace {

constexpr std::size_t kDim = 128, kTrainingRows = 4096, kTestRows = 8192;

struct Training {
  unsigned bits, window;
  std::size_t mirror;  ///< 0: each window has its own value
  std::vector<float> values;
  std::size_t size() const { return std::size_t{1} << window; }
  /// Gives both windows of a pair the mean of what was added up for them.
  void set_means(const std::vector<double>& sums, const std::vector<double>& counts) {
    for (std::size_t w = 0; w < size(); ++w) {
      const double count = counts[w] + counts[w ^ mirror];
      if (count > 0) values[w] = static_cast<float>((sums[w] + sums[w ^ mirror]) / count);
    }
  }
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
/// of 2^bits. A dealing adds the oldest code to the newest modulo 2^bits (bit 1 set) or bit by bit, and takes what is
/// between them with its bits reversed or (bit 0 set) as it is.
Training start(unsigned bits, unsigned window, std::size_t mirror, unsigned dealing) {
  Training t{bits, window, mirror, std::vector<float>(std::size_t{1} << window)};
  const unsigned state_bits = window - bits;
  const std::size_t cells = std::size_t{1} << bits, states = std::size_t{1} << state_bits;
  std::vector<double> values(t.size());
  for (std::size_t w = 0; w < t.size(); ++w) {
    const std::size_t code = w % cells, oldest = w >> state_bits, behind = w >> bits;
    const std::size_t cell = (dealing & 2) != 0 ? (code + oldest) % cells : code ^ oldest;
    const std::size_t place = (dealing & 1) != 0 ? behind : reversed(behind, state_bits);
    const double within = (static_cast<double>(place) + 0.5) / static_cast<double>(states);
    values[w] = normal_quantile((static_cast<double>(cell) + within) / static_cast<double>(cells));
  }
  t.set_means(values, std::vector<double>(t.size(), 1.0));
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

void train(Training& t, int first, int last, std::size_t n_rows = kTrainingRows) {
  for (int round = first; round < last; ++round) {
    std::vector<double> sums(t.size()), counts(t.size());
    code_rows(t, gaussian(n_rows * kDim, static_cast<std::uint64_t>(round)), sums, counts);
    t.set_means(sums, counts);
  }
}

/// Rounds the values to multiples of a unit that brings the largest to 127, and prints them.
void print_rounded(const Training& t) {
  const std::vector<float> test = gaussian(kTestRows * kDim, 1U << 20);
  float largest = 0;
  for (const float v : t.values) largest = std::max(largest, std::abs(v));
  const float steps = std::ceil(largest / 127 * 4096), unit = steps / 4096;
  Training rounded = t;
  for (float& v : rounded.values) v = std::round(v / unit) * unit;
  fmt::print("// Mean squared error {:.6f}, {:.6f} before rounding.\nunit {} / 4096, mirror 0x{:02X}\n",
             error_of(rounded, test), error_of(t, test), steps, t.mirror);
  const std::size_t n_printed = t.mirror == 0 ? t.size() : t.size() / 2;
  for (std::size_t w = 0; w < n_printed; ++w)
    fmt::print("{},{}", std::lround(t.values[w] / unit), w % 16 == 15 ? "\n" : " ");
}

void search(unsigned bits, unsigned window) {
  struct Try {
    double error;
    unsigned dealing;
    Training table;
  };
  const std::vector<float> test = gaussian(kTestRows / 4 * kDim, 1U << 21);
  std::vector<Try> tries;
  const auto keep_best = [&](std::size_t n) {
    for (Try& t : tries) t.error = error_of(t.table, test);
    std::ranges::sort(tries, {}, &Try::error);
    tries.resize(std::min(tries.size(), n));
  };
  for (unsigned dealing = 0; dealing < 4; ++dealing) {
    for (std::size_t mirror = std::size_t{1} << (window - 1); mirror < std::size_t{1} << window; ++mirror) {
      tries.push_back({0, dealing, start(bits, window, mirror, dealing)});
      train(tries.back().table, 0, 24, kTrainingRows / 4);
    }
  }
  keep_best(48);
  for (Try& t : tries) train(t.table, 24, 84, kTrainingRows / 4);
  keep_best(8);
  for (Try& t : tries) {
    t.table = start(bits, window, t.table.mirror, t.dealing);
    train(t.table, 0, 200);
  }
  keep_best(8);
  for (const Try& t : tries)
    fmt::print("train_trellis {} {} 200 0x{:02X} {}: {:.6f}\n", bits, window, t.table.mirror, t.dealing, t.error);
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned bits = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 0;
  const unsigned window = argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : 0;
  const bool searching = argc == 4 && std::string_view(argv[3]) == "search";
  const int rounds = argc > 3 && !searching ? std::atoi(argv[3]) : 200;
  const auto mirror = argc > 4 ? static_cast<std::size_t>(std::strtoul(argv[4], nullptr, 0)) : 0;
  const unsigned dealing = argc > 5 ? static_cast<unsigned>(std::atoi(argv[5])) : 2;
  if (bits < 1 || bits > 5 || window < bits + 4 || window > bits + 7 || window > 9 || rounds < 1 ||
      mirror >> window != 0 || dealing > 3) {
    fmt::print(
        stderr,
        "train_trellis BITS WINDOW [ROUNDS [MIRROR DEALING]]\ntrain_trellis BITS WINDOW search\n"
        "BITS is 1 to 5, WINDOW is 4 to 7 more than BITS and at most 9, MIRROR has WINDOW bits, DEALING is 0 to 3\n");
    return 2;
  }
  if (searching) {
    search(bits, window);
    return 0;
  }
  Training t = start(bits, window, mirror, dealing);
  train(t, 0, rounds);
  print_rounded(t);
}
