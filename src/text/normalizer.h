// What happens to a text before it is cut into words.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/charsmap.h"
#include "text/utf8.h"

namespace tq {

/// Steps in their order. Immutable once it is made; safe to share between threads.
class Normalizer {
 public:
  struct Replace {
    std::string from, to;  ///< `from` is not empty
  };
  /// Each run of at least two spaces.
  struct ReplaceSpaces {
    std::string to;
  };
  struct Strip {
    bool left = false, right = false;
  };
  using Step = std::variant<NormalizationForm, Replace, ReplaceSpaces, Strip, std::shared_ptr<const Charsmap>>;

  void add(Step step);
  bool is_empty() const { return steps_.empty(); }
  const std::vector<Step>& steps() const { return steps_; }

  std::string apply(std::string_view text) const;

 private:
  std::vector<Step> steps_;
};

}  // namespace tq
