// What every refused file has in common.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "support/model_bytes.h"
#include "support/must.h"
#include "turboquant/tensor_file.h"

namespace tq::test {

using File = std::shared_ptr<const TensorFile>;

/// Checks for kBadFile and one sentence: it begins with the name of the file, is one line without a full stop, and
/// holds `words`.
inline void expect_bad_file(const Error& error, const std::string& name, const std::string& words,
                            const std::string& what) {
  EXPECT_EQ(error.code, ErrorCode::kBadFile) << what << ": " << error.message;
  EXPECT_TRUE(error.message.starts_with(name + ": ")) << what << ": " << error.message;
  EXPECT_NE(error.message.find(words), std::string::npos) << what << ": '" << words << "' is not in: " << error.message;
  EXPECT_FALSE(error.message.ends_with('.')) << what << ": " << error.message;
  EXPECT_LT(error.message.size(), name.size() + 400) << what << ": " << error.message;
  for (const char c : error.message) ASSERT_FALSE((c >= 0 && c < 0x20) || c == 0x7F) << what << ": " << error.message;
}

template <class T>
void expect_refused(const Result<T>& result, const std::string& name, const std::string& words,
                    const std::string& what) {
  ASSERT_FALSE(result.has_value()) << what << " was accepted";
  expect_bad_file(result.error(), name, words, what);
}

/// A file that must not be accepted, what is wrong with it, and words that the message must hold.
struct Refusal {
  std::string what, bytes, words;
};

}  // namespace tq::test
