// The models that tests run, and their logits.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "support/must.h"
#include "support/shared_data.h"
#include "turboquant/session.h"

namespace tq::test {

inline std::filesystem::path pycoder_gguf() { return pycoder() / "pycoder.f16.gguf"; }

inline std::shared_ptr<const Model> load(const std::filesystem::path& path, const std::string& weights = "") {
  return must(Model::load(must(TensorFile::open(path)), {.weights = weights, .threads = 2}));
}

struct SessionChoice {
  std::string cache = "f32";
  std::size_t context = 512;
  unsigned threads = 1;
  std::size_t batch = 512;
};

inline std::unique_ptr<Session> open_session(std::shared_ptr<const Model> model, const SessionChoice& choice = {}) {
  SessionOptions options{
      .cache = must(CacheSpec::parse(choice.cache)), .context = choice.context, .batch = choice.batch};
  options.threads = make_thread_pool(choice.threads);
  return must(Session::create(std::move(model), options));
}

/// The logits of every token of `tokens`, run in one append().
inline std::vector<float> logits_of(Session& session, std::span<const TokenId> tokens) {
  std::vector<float> logits(tokens.size() * session.model().config().vocab_size);
  const Result<void> done = session.append(tokens, tokens.size(), logits);
  if (!done) throw std::runtime_error(done.error().message);
  return logits;
}

/// The same, token by token.
inline std::vector<float> decoded_logits_of(Session& session, std::span<const TokenId> tokens) {
  std::vector<float> logits;
  for (const TokenId token : tokens) {
    const std::vector<float> one = logits_of(session, {&token, 1});
    logits.insert(logits.end(), one.begin(), one.end());
  }
  return logits;
}

/// `n` tokens of the vocabulary, no two runs of them alike.
inline std::vector<TokenId> some_tokens(std::size_t n, std::size_t vocab_size, std::uint64_t seed = 1) {
  std::vector<TokenId> tokens(n);
  for (TokenId& token : tokens) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    token = static_cast<TokenId>((seed >> 33) % vocab_size);
  }
  return tokens;
}

inline double largest_difference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return 1e30;
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(difference <= largest)) largest = difference;  // a NaN counts
  }
  return largest;
}

}  // namespace tq::test
