// Entries of random matrices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tq {

/// n independent values of N(0, 1), by Box and Muller. Rounded to multiples of 2⁻¹², so that the last digit of a platform's log()
/// and cos() cannot change a stored byte.
std::vector<float> gaussian_values(std::size_t n, std::uint64_t seed);

}  // namespace tq
