// Messages, and the model that answers them.
#pragma once

#include <cstddef>
#include <ctime>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/generation.h"
#include "cli/run_options.h"
#include "turboquant/chat.h"

namespace tq::cli {

/// What one answer took.
struct Turn {
  std::size_t prompt_tokens = 0;  ///< of the whole conversation up to the answer
  std::size_t reused_tokens = 0;  ///< of them, those that the cache held already
  std::size_t generated_tokens = 0;
  std::string stop = {};  ///< "end", "stop", "schema", "length", "context", "interrupted"
  double prompt_seconds = 0, decode_seconds = 0;
};

/// The history is rendered anew for each answer, and the cache keeps all that the old and the new text begin with
/// alike.
class Conversation {
 public:
  /// Loads what `choice` names. Says on standard error when the model has no template of its own.
  static Result<Conversation> open(const RunChoice& choice);

  /// Adds the message and the answer, which goes to standard output as it comes. After an error nothing has been added.
  Result<void> answer(const std::string& message);

  void clear();                              ///< forgets all but the system message
  void set_system(const std::string& text);  ///< empty: none
  /// `text` is what to_json() wrote; kBadFile for anything else, and nothing has changed then.
  Result<void> load(const std::string& text, const std::string& name);
  nlohmann::ordered_json to_json() const;
  void print_statistics() const;
  Session& session() { return *session_; }

 private:
  explicit Conversation(const RunChoice& choice) : choice_(choice), sampler_(choice.sampling) {}

  Result<std::vector<TokenId>> render() const;
  Result<std::vector<TokenId>> render_within_context();
  bool forget_oldest();
  Result<void> generate(std::span<float> logits, Turn& turn, std::string& text);

  const RunChoice& choice_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<Session> session_;
  ChatFormat format_;
  AnswerSchema schema_;
  Sampler sampler_;
  std::string kv_, kv_reason_;
  std::time_t began_ = 0;
  std::vector<ChatMessage> messages_;
  std::vector<Turn> turns_;
};

}  // namespace tq::cli
