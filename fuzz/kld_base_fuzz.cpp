// Base files of llama-perplexity: what is accepted can be read to its last position.
#include "check.h"
#include "formats/kld_base.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tq;
  const auto base = KldBase::parse(std::as_bytes(std::span(data, size)), "input");
  if (!base) {
    fuzz::check_error(base.error(), "input");
    return 0;
  }
  const KldBaseShape& shape = base->shape();
  fuzz::require(base->tokens().size() == shape.context * shape.windows);
  std::vector<float> logs(shape.vocab_size);
  for (std::size_t w = 0; w < shape.windows; ++w) {
    for (std::size_t i = 0; i < shape.scored_per_window(); ++i) {
      const Result<void> read = base->read(w, i, logs);
      if (!read) fuzz::check_error(read.error(), "input");
      for (const float log : logs) fuzz::require(!read || log <= 0.02F);
    }
  }
  return 0;
}
