// Unfinished evaluations. The input is the state alone; magic, description and checksum are put around it, and a copy
// without them must be refused.
#include "base/bytes.h"
#include "check.h"
#include "eval/checkpoint.h"
#include "eval/provenance.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tq;
  const std::string_view input = as_text(std::as_bytes(std::span(data, size)));
  const eval::CheckpointLimits limits{"a: b\n", 2, 8, 1, 4, 2, 3};
  const auto bare = eval::parse_checkpoint(as_bytes(input), "input", limits);
  if (!bare && bare.error().code != ErrorCode::kUsage) fuzz::check_error(bare.error(), "input");

  std::string whole = std::string("tq eval\n\1\0\0\0\5\0\0\0a: b\n", 21) + std::string(input);
  whole += eval::sha256_hex(whole);
  auto state = eval::parse_checkpoint(as_bytes(whole), "input", limits);
  if (!state) {
    fuzz::check_error(state.error(), "input");
    return 0;
  }
  fuzz::require(state->lanes.size() == 2 && state->windows <= 2);
  fuzz::require(eval::checkpoint_bytes(*state, "a: b\n") == whole);
  return 0;
}
