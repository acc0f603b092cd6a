// A text that pycoder can score, and its tokenizer.
#pragma once

#include <fstream>
#include <iterator>

#include "support/models.h"
#include "turboquant/tokenizer.h"

namespace tq::test {

inline std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::shared_ptr<const TensorFile> pycoder_file() { return must(TensorFile::open(pycoder_gguf())); }
inline std::shared_ptr<const Tokenizer> pycoder_tokenizer() { return must(Tokenizer::for_model(*pycoder_file())); }
/// Part of the project, so always there.
inline std::string python_text() { return read_all(pycoder() / "eval_text.py.txt"); }

}  // namespace tq::test
