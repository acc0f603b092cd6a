// Conversations: from messages to what a model reads.
#pragma once

#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/result.h"
#include "turboquant/tensor_file.h"
#include "turboquant/tokenizer.h"

namespace tq {

struct ChatMessage {
  std::string role;  ///< "system", "user", "assistant", or what else the template knows
  std::string content;
};

struct ChatInput {
  std::vector<ChatMessage> messages;
  bool add_generation_prompt = true;  ///< end where the assistant's answer begins
  /// A JSON object of further variables of the template (`tools`, `enable_thinking`, …), or empty. It comes from
  /// outside, as messages do.
  std::string variables = {};
  std::time_t now = 0;  ///< for templates that tell the date
};

/// A chat template: the subset of Jinja that models ship with (docs/chat.md lists it), run by an interpreter of its
/// own. A template is as untrusted as its model file: it reaches no file and no code, and its steps, memory, output and
/// recursion are bounded. Immutable; safe to share between threads.
class ChatTemplate {
 public:
  virtual ~ChatTemplate() = default;

  /// `name` is for messages; `bos_token` and `eos_token` are variables of the template. kBadFile with the line for what
  /// is no template or uses what is not built. Fuzzed.
  static Result<std::shared_ptr<const ChatTemplate>> parse(std::string_view source, std::string_view name,
                                                           std::string_view bos_token = {},
                                                           std::string_view eos_token = {});

  /// The conversation as the model reads it. `parse_special` is off in each stretch that came with the messages or the
  /// variables, however the template changed or split it; only the names of the usual roles count as the template's.
  /// kUsage, with the template's name and line, where the template fails or refuses.
  virtual Result<std::vector<TextPart>> render(const ChatInput& input) const = 0;
};

/// How one model wants conversations.
struct ChatFormat {
  std::shared_ptr<const ChatTemplate> chat_template;
  std::string origin;                  ///< where the template comes from, for people
  bool is_fallback = false;            ///< the model has none, and `plain` is used
  bool adds_bos = false;               ///< the template does not write BOS itself
  std::vector<TokenId> end_tokens;     ///< each of them ends a turn; sorted
  std::vector<std::string> stop = {};  ///< so do these texts

  bool ends_turn(TokenId token) const;
};

/// `choice` is a file that holds a template, the name of one of the model's own templates, or one of
/// built_in_chat_templates(). Empty: the model's own, from `tokenizer.chat_template` of a GGUF, or
/// `chat_template.jinja` or `tokenizer_config.json` of a folder; `plain` when it has none. kUsage for an unknown
/// choice.
Result<ChatFormat> read_chat_format(const TensorFile& file, const Tokenizer& tokenizer, const std::string& choice = {});

/// `chatml`, `llama3`, …: the names of llama.cpp.
std::vector<std::string> built_in_chat_templates();

}  // namespace tq
