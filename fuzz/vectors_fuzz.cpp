// Files of plain vectors. The first byte chooses the extension, which decides where the bytes do not.
#include "check.h"
#include "turboquant/vectors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tq;
  if (size == 0) return 0;
  constexpr const char* kNames[] = {"input", "input.npy", "input.fvecs", "input.bvecs", "input.gz"};
  const auto set =
      parse_vectors(std::as_bytes(std::span(data + 1, size - 1)), kNames[data[0] % std::size(kNames)], 1000);
  if (!set) {
    fuzz::check_error(set.error(), "input");
    return 0;
  }
  fuzz::require(set->rows >= 1 && set->rows <= 1000 && set->dim >= 1 && set->values.size() == set->rows * set->dim);
  return 0;
}
