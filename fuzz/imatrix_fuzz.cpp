// An importance matrix of either form: what is read has finite means, in no more memory than the input.
#include <cmath>

#include "check.h"
#include "turboquant/imatrix.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tq;
  const auto matrix = parse_imatrix(std::as_bytes(std::span(data, size)), "input");
  if (!matrix) {
    fuzz::check_error(matrix.error(), "input");
    return 0;
  }
  std::size_t values = 0;
  for (const auto& [tensor, squares] : matrix->squares) {
    fuzz::require(!tensor.empty() && !squares.empty());
    for (const float square : squares) fuzz::require(std::isfinite(square) && square >= 0);
    values += squares.size();
  }
  fuzz::require(values * sizeof(float) <= size);
  return 0;
}
