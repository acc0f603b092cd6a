// The assembler reads the files itself: as arrays of numbers they would cost the compiler minutes and gigabytes.
#include "cli/embedded_model.h"

// clang-format off
#define TQ_EMBED(symbol, path)                \
  asm(".pushsection .rodata\n"                \
      ".balign 64\n"                          \
      ".global " #symbol ", " #symbol "_end\n" \
      ".hidden " #symbol ", " #symbol "_end\n" \
      #symbol ":\n"                           \
      ".incbin \"" path "\"\n"                \
      #symbol "_end:\n"                       \
      ".byte 0\n"                             \
      ".popsection\n");                       \
  extern "C" const std::byte symbol[], symbol##_end[]
// clang-format on

TQ_EMBED(tq_embedded_model, TQ_EMBEDDED_MODEL);
TQ_EMBED(tq_embedded_text, TQ_EMBEDDED_TEXT);

namespace tq::cli {

std::span<const std::byte> embedded_model() { return {tq_embedded_model, tq_embedded_model_end}; }

std::string_view embedded_text() {
  return {reinterpret_cast<const char*>(tq_embedded_text),
          static_cast<std::size_t>(tq_embedded_text_end - tq_embedded_text)};
}

}  // namespace tq::cli
