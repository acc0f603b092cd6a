// Codecs with a fault, for tests that must see it. The linker puts them in the place of make_codec() in eval_test alone
// (CMakeLists.txt), so that a fault is planted below everything that is tested.
#pragma once

namespace tq::test {

enum class CodecFault {
  kNone,
  kHalfOfOneRow,  ///< a row that is encoded alone, as decoding does, loses the second half of its values
  kCodebook       ///< rows are read with centroids that are 2 % too large
};

/// While it lives, every `tq` codec that is made has the fault.
class PlantedFault {
 public:
  explicit PlantedFault(CodecFault fault);
  ~PlantedFault();
  PlantedFault(const PlantedFault&) = delete;
  PlantedFault& operator=(const PlantedFault&) = delete;
};

}  // namespace tq::test
