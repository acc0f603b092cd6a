#include "turboquant/codebook.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <limits>
#include <numbers>

namespace tq {
namespace {

/// The law of one coordinate, in units of 1/√d. Only x ≥ 0 is ever asked for.
class Density {
 public:
  explicit Density(std::size_t dim) : dim_(static_cast<double>(dim)), gaussian_(dim < 4) {
    if (gaussian_) return;
    constant_ = std::exp(std::lgamma(dim_ / 2) - std::lgamma((dim_ - 1) / 2)) / std::sqrt(std::numbers::pi);
  }

  double upper() const { return gaussian_ ? std::numeric_limits<double>::infinity() : std::sqrt(dim_); }

  double at(double x) const {
    if (gaussian_) return std::isinf(x) ? 0 : std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
    const double rest = 1 - x * x / dim_;
    return rest <= 0 ? 0 : constant_ * std::pow(rest, (dim_ - 3) / 2) / std::sqrt(dim_);
  }

  /// ∫ f over [a, b].
  double mass(double a, double b) const {
    if (gaussian_) return 0.5 * (std::erfc(a / std::numbers::sqrt2) - std::erfc(b / std::numbers::sqrt2));
    // With u = sin θ the integrand is K cos^(d−2) θ, smooth at the ends of the sphere for every d.
    const double from = std::asin(std::min(1.0, a / std::sqrt(dim_)));
    const double to = std::asin(std::min(1.0, std::min(b, kTail) / std::sqrt(dim_)));
    // Pieces of at most 1.5 standard deviations: 8 nodes in each leave less than 1e-13.
    const int pieces = std::max(1, static_cast<int>(std::ceil((to - from) * std::sqrt(dim_) / 1.5)));
    const double half = (to - from) / (2 * pieces);
    double sum = 0;
    for (int piece = 0; piece < pieces; ++piece) {
      const double middle = from + (2 * piece + 1) * half;
      for (std::size_t i = 0; i < kNodes.size(); ++i) {
        sum += kWeights[i] * half *
               (std::pow(std::cos(middle - half * kNodes[i]), dim_ - 2) + std::pow(std::cos(middle + half * kNodes[i]), dim_ - 2));
      }
    }
    return constant_ * sum;
  }

  /// ∫ x f over [a, b].
  double moment(double a, double b) const {
    if (gaussian_) return at(a) - at(b);
    return antiderivative(b) - antiderivative(a);
  }

 private:
  // Gauss-Legendre with 8 nodes (Abramowitz & Stegun, table 25.4); both halves are symmetric.
  static constexpr std::array<double, 4> kNodes = {0.1834346424956498, 0.5255324099163290, 0.7966664774136267, 0.9602898564975363};
  static constexpr std::array<double, 4> kWeights = {0.3626837833783620, 0.3137066458778873, 0.2223810344533745, 0.1012285362903763};

  /// ∫ u f du = −K/(d−1) (1−u²)^((d−1)/2), times √d for the unit.
  double antiderivative(double x) const {
    const double rest = std::max(0.0, 1 - x * x / dim_);
    return -std::sqrt(dim_) * constant_ / (dim_ - 1) * std::pow(rest, (dim_ - 1) / 2);
  }

  static constexpr double kTail = 12;  // less than 1e-32 of the mass lies beyond, at any length

  double dim_;
  bool gaussian_;
  double constant_ = 0;
};

/// The positive centroids of a symmetric codebook, and the cells around them.
struct Cells {
  std::vector<double> centroids;

  double lower(std::size_t i) const { return i == 0 ? 0 : (centroids[i - 1] + centroids[i]) / 2; }
  double upper(std::size_t i, const Density& density) const {
    return i + 1 == centroids.size() ? density.upper() : (centroids[i] + centroids[i + 1]) / 2;
  }
};

/// Panter and Dite's point density f^(1/3), for a Gaussian another Gaussian of variance 3: close enough for Newton to converge. Found by
/// bisection on the normal distribution.
Cells starting_cells(std::size_t count) {
  Cells cells;
  for (std::size_t i = 0; i < count; ++i) {
    const double tail = 0.5 * (1 - (static_cast<double>(i) + 0.5) / static_cast<double>(count));
    double low = 0, high = 10;
    for (int step = 0; step < 60; ++step) {
      const double middle = (low + high) / 2;
      (0.5 * std::erfc(middle / std::numbers::sqrt2) > tail ? low : high) = middle;
    }
    cells.centroids.push_back(std::sqrt(3.0) * low);
  }
  return cells;
}

/// One Lloyd iteration: every centroid moves to the mean of its cell. Keeps the order whatever the start was.
void lloyd_step(Cells& cells, const Density& density) {
  std::vector<double> means;
  for (std::size_t i = 0; i < cells.centroids.size(); ++i) {
    const double a = cells.lower(i), b = cells.upper(i, density);
    const double mass = density.mass(a, b);
    means.push_back(mass > 0 ? density.moment(a, b) / mass : cells.centroids[i]);
  }
  cells.centroids = std::move(means);
}

/// One Newton step on F_i = c_i P_i − M_i = 0, whose Jacobian is tridiagonal (Thomas' algorithm). Returns the largest move; does
/// not move when the step would break the order.
double newton_step(Cells& cells, const Density& density) {
  const std::size_t n = cells.centroids.size();
  std::vector<double> above(n), step(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double c = cells.centroids[i], a = cells.lower(i), b = cells.upper(i, density);
    const double at_a = i == 0 ? 0 : (c - a) * density.at(a) / 2;
    const double at_b = i + 1 == n ? 0 : (c - b) * density.at(b) / 2;
    const double mass = density.mass(a, b);
    double diagonal = mass + at_b - at_a;
    double value = density.moment(a, b) - c * mass;
    if (i > 0) {
      diagonal -= -at_a * above[i - 1];
      value -= -at_a * step[i - 1];
    }
    above[i] = at_b / diagonal;
    step[i] = value / diagonal;
  }
  for (std::size_t i = n - 1; i-- > 0;) step[i] -= above[i] * step[i + 1];

  std::vector<double> moved = cells.centroids;
  double largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    moved[i] += step[i];
    largest = std::max(largest, std::abs(step[i]));
  }
  const bool ordered = moved.front() > 0 && moved.back() < density.upper() && std::is_sorted(moved.begin(), moved.end());
  if (!ordered) return std::numeric_limits<double>::infinity();
  cells.centroids = std::move(moved);
  return largest;
}

Cells optimum(unsigned bits, const Density& density) {
  Cells cells = starting_cells(std::size_t{1} << (bits - 1));
  for (double& c : cells.centroids) c = std::min(c, 0.999 * density.upper());
  for (int i = 0; i < 20; ++i) lloyd_step(cells, density);
  // Quadratic convergence: five or six steps. A step that would break the order is replaced by Lloyd iterations.
  for (int i = 0; i < 100; ++i) {
    const double moved = newton_step(cells, density);
    if (moved < 1e-14) break;
    if (std::isinf(moved)) {
      for (int j = 0; j < 20; ++j) lloyd_step(cells, density);
    }
  }
  return cells;
}

}  // namespace

Result<Codebook> Codebook::lloyd_max(unsigned bits, std::size_t dim) {
  if (bits < 1 || bits > kMaxBits) {
    return fail(ErrorCode::kUsage, "a codebook has 1 to 9 bits, not " + std::to_string(bits));
  }
  const Density density(dim);
  const Cells cells = optimum(bits, density);

  Codebook book;
  book.bits = bits;
  const std::size_t half = cells.centroids.size();
  book.centroids.resize(2 * half);
  book.distortion = 1;  // E x² in these units; each centroid is the mean of its cell, so the error is E x² − Σ P c²
  for (std::size_t i = 0; i < half; ++i) {
    const double mass = density.mass(cells.lower(i), cells.upper(i, density));
    book.distortion -= 2 * mass * cells.centroids[i] * cells.centroids[i];
    book.entropy -= 2 * mass * std::log2(mass);
    const auto rounded = static_cast<float>(std::round(cells.centroids[i] * 0x1p22) * 0x1p-22);
    book.centroids[half + i] = rounded;
    book.centroids[half - 1 - i] = -rounded;
  }
  for (std::size_t i = 0; i + 1 < book.centroids.size(); ++i) {
    book.boundaries.push_back(0.5F * (book.centroids[i] + book.centroids[i + 1]));
  }
  return book;
}

}  // namespace tq
