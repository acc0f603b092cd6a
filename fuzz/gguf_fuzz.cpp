#include "formats/gguf.h"

#include "check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tq::fuzz::check_reader(data, size, tq::parse_gguf);
  return 0;
}
