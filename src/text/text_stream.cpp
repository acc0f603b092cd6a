#include <utility>

#include "text/utf8.h"
#include "turboquant/tokenizer.h"

namespace tq {

std::string TextStream::add(TokenId id) {
  std::string text = std::move(held_);
  held_.clear();
  if (!is_at_start_) {
    text += tokenizer_.piece(id);
  } else if (!tokenizer_.piece(id).empty()) {
    text += tokenizer_.decode({&id, 1});  // without the space that encode() added
    is_at_start_ = false;
  }
  const std::size_t certain = text.size() - unfinished_utf8(text);
  held_ = text.substr(certain);
  text.resize(certain);
  return text;
}

std::string TextStream::finish() { return std::exchange(held_, {}); }

}  // namespace tq
