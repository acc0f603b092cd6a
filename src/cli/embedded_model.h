// The files that are part of the program: a small model of Python code, and a text that it has not seen.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace tq::cli {

/// models/pycoder/pycoder.f16.gguf, aligned to 64 bytes.
std::span<const std::byte> embedded_model();
/// models/pycoder/eval_text.py.txt.
std::string_view embedded_text();

}  // namespace tq::cli
