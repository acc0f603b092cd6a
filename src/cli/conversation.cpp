#include "cli/conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/files.h"
#include "cli/generation.h"
#include "cli/interrupt.h"
#include "cli/printable.h"
#include "cli/units.h"
#include "turboquant/plan.h"
#include "turboquant/stop_strings.h"

namespace tq::cli {
namespace {

constexpr const char* kSchema = "turboquant.chat/1";

/// A model for 128K tokens would otherwise ask for 16 GiB to say one sentence.
std::size_t context_for(const RunChoice& choice, std::size_t trained) {
  constexpr std::size_t kUsual = 4096;
  if (choice.context > 0) return static_cast<std::size_t>(choice.context);
  return choice.context == 0 ? trained : std::min(trained, kUsual);
}

}  // namespace

Result<Conversation> Conversation::open(const RunChoice& choice) {
  Result<std::vector<CacheSpec>> cache = only_cache(choice.cache);
  if (!cache) return std::unexpected(cache.error());
  if (const Result<void> known = check_weights(choice.weights); !known) return std::unexpected(known.error());
  const auto file = choice.model.open();
  if (!file) return std::unexpected(file.error());
  const auto tokenizer = choice.model.open_tokenizer(**file);
  if (!tokenizer) return std::unexpected(tokenizer.error());
  Result<ChatFormat> format = read_chat_format(**file, **tokenizer, choice.chat_template);
  if (!format) return fail(std::move(format));
  if (format->is_fallback)
    fmt::print(stderr,
               "tq: the model has no chat template; 'User:' and 'Assistant:' lines stand in (--chat-template)\n");
  const auto model = load_compressed(*file, choice.weights, choice.engine.most_threads(), choice.engine.place());
  if (!model) return std::unexpected(model.error());
  const AutomaticCache automatic = choose_caches(*cache, **model);
  Result<std::unique_ptr<Session>> session =
      create_session(choice, *model, cache->front(), context_for(choice, (*model)->config().context_length));
  if (!session) return fail(std::move(session));

  std::vector<TokenId> ends;
  const std::size_t vocab_size = (*model)->config().vocab_size;
  for (std::size_t id = 0; id < vocab_size; ++id) {
    if (format->ends_turn(static_cast<TokenId>(id))) ends.push_back(static_cast<TokenId>(id));
  }
  Result<AnswerSchema> schema = AnswerSchema::open(choice.json_schema, **tokenizer, vocab_size, std::move(ends));
  if (!schema) return fail(std::move(schema));

  Conversation made(choice);
  made.schema_ = std::move(*schema);
  made.tokenizer_ = *tokenizer;
  made.session_ = std::move(*session);
  made.format_ = std::move(*format);
  made.format_.stop.insert(made.format_.stop.end(), choice.stop.begin(), choice.stop.end());
  made.kv_ = cache->front().name();
  made.kv_reason_ = automatic.reason;
  made.began_ = std::time(nullptr);  // once: a date that changes would cost the whole cache
  made.set_system(choice.system);
  if (!choice.restore_cache.empty()) {
    if (Result<void> restored = made.session_->restore(choice.restore_cache); !restored)
      return fail(std::move(restored));
  }
  return made;
}

Result<std::vector<TokenId>> Conversation::render() const {
  const Result<std::vector<TextPart>> parts =
      format_.chat_template->render({.messages = messages_, .variables = choice_.chat_variables, .now = began_});
  if (!parts) return std::unexpected(parts.error());
  std::vector<TokenId> ids = tokenizer_->encode_parts(*parts, format_.adds_bos);
  if (ids.empty()) return fail(ErrorCode::kUsage, "the chat template writes nothing for this conversation");
  return ids;
}

bool Conversation::forget_oldest() {
  const auto first = messages_.begin() + (!messages_.empty() && messages_[0].role == "system" ? 1 : 0);
  const auto next = std::find_if(first + (first != messages_.end() ? 1 : 0), messages_.end(),
                                 [](const ChatMessage& message) { return message.role == "user"; });
  if (next == messages_.end()) return false;
  messages_.erase(first, next);
  return true;
}

/// With room for an answer: the oldest exchanges go where there is none.
Result<std::vector<TokenId>> Conversation::render_within_context() {
  const std::size_t context = session_->context(), room = std::min<std::size_t>(context / 4, 64);
  std::size_t forgotten = 0;
  while (true) {
    Result<std::vector<TokenId>> ids = render();
    if (!ids || ids->size() + room <= context) {
      if (forgotten > 0)
        fmt::print(stderr, "tq: the context of {} tokens is full; the oldest {} forgotten\n", context,
                   forgotten == 1 ? "exchange is" : fmt::format("{} exchanges are", forgotten));
      return ids;
    }
    if (!forget_oldest()) {
      return fail(ErrorCode::kUsage,
                  fmt::format("the message makes {} tokens and the context holds {}, an answer included; "
                              "shorten it or raise -c",
                              ids->size(), context));
    }
    ++forgotten;
  }
}

Result<void> Conversation::answer(const std::string& message) {
  const std::vector<ChatMessage> before = messages_;
  messages_.push_back({"user", message});
  const auto undo = [&](Error error) {
    messages_ = before;
    return std::unexpected(std::move(error));
  };
  const Result<std::vector<TokenId>> ids = render_within_context();
  if (!ids) return undo(ids.error());
  Turn turn{.prompt_tokens = ids->size()};
  // The last token is read again, for its logits.
  turn.reused_tokens = common_prefix(std::span(*ids).first(ids->size() - 1), session_->tokens());
  session_->truncate(turn.reused_tokens);
  std::vector<float> logits(session_->model().config().vocab_size);
  const Clock::time_point start = Clock::now();
  const Result<void> read =
      read_through(*session_, std::span(*ids).subspan(turn.reused_tokens), choice_.batch_size(), logits);
  if (!read) return undo(read.error());
  turn.prompt_seconds = seconds_since(start);
  sampler_.clear();
  sampler_.accept(*ids);
  std::string text;
  if (const Result<void> done = generate(logits, turn, text); !done) return undo(done.error());
  messages_.push_back({"assistant", text});
  turns_.push_back(turn);
  return {};
}

Result<void> Conversation::generate(std::span<float> logits, Turn& turn, std::string& text) {
  Output output(choice_.json == "-");
  schema_.restart();
  TextStream stream(*tokenizer_, true);
  StopStrings stop(format_.stop);
  const auto show = [&](const std::string& part) {
    text += part;
    output.put(part);
  };
  const std::size_t most = choice_.has_tokens ? choice_.most_tokens() : SIZE_MAX;
  const Clock::time_point start = Clock::now();
  while (turn.stop.empty()) {
    if (interrupted()) {
      turn.stop = "interrupted";
    } else if (turn.generated_tokens == most) {
      turn.stop = "length";
    } else if (session_->position() == session_->context()) {
      turn.stop = "context";
    } else {
      if (Result<void> masked = schema_.mask(logits); !masked) return masked;
      const TokenId token = sampler_.next(logits);
      if (format_.ends_turn(token)) {
        turn.stop = "end";
        break;
      }
      ++turn.generated_tokens;
      sampler_.accept({&token, 1});
      schema_.accept(token);
      show(stop.put(stream.add(token)));
      if (stop.stopped() || schema_.is_done()) {
        turn.stop = stop.stopped() ? "stop" : "schema";
      } else if (const Result<void> done = session_->append({&token, 1}, 1, logits); !done) {
        return done;
      }
    }
  }
  turn.decode_seconds = seconds_since(start);
  show(stop.put(stream.finish()));
  show(stop.finish());
  output.finish();
  if (turn.stop == "context")
    fmt::print(stderr, "tq: the context of {} tokens is full, so the answer ends here; -c N makes it longer\n",
               session_->context());
  return {};
}

void Conversation::clear() {
  std::erase_if(messages_, [](const ChatMessage& message) { return message.role != "system"; });
}

void Conversation::set_system(const std::string& text) {
  std::erase_if(messages_, [](const ChatMessage& message) { return message.role == "system"; });
  if (!text.empty()) messages_.insert(messages_.begin(), {"system", text});
}

Result<void> Conversation::load(const std::string& text, const std::string& name) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  const auto refuse = [&](std::string_view what) {
    return fail(ErrorCode::kBadFile, fmt::format("{}: {}", name, what));
  };
  if (!json.is_object() || !json.contains("messages") || !json["messages"].is_array())
    return refuse("it is not a conversation, a JSON object with a list of messages");
  std::vector<ChatMessage> messages;
  for (const nlohmann::json& entry : json["messages"]) {
    const auto is_text = [&](const char* key) {
      return entry.is_object() && entry.contains(key) && entry[key].is_string();
    };
    if (!is_text("role") || !is_text("content")) return refuse("a message has no role or no content");
    messages.push_back({entry["role"].get<std::string>(), entry["content"].get<std::string>()});
  }
  messages_ = std::move(messages);
  return {};
}

nlohmann::ordered_json Conversation::to_json() const {
  nlohmann::ordered_json json;
  json["schema"] = kSchema;
  json["model"] = session_->model().config().name;
  json["weights"] = session_->model().weights_name();
  json["kv"] = kv_;
  if (!kv_reason_.empty()) json["kv_reason"] = kv_reason_;
  json["chat_template"] = format_.origin;
  json["messages"] = nlohmann::json::array();
  for (const ChatMessage& message : messages_) {
    nlohmann::ordered_json entry;
    entry["role"] = message.role;
    entry["content"] = message.content;
    json["messages"].push_back(std::move(entry));
  }
  json["turns"] = nlohmann::json::array();
  for (const Turn& turn : turns_) {
    nlohmann::ordered_json entry;
    entry["prompt_tokens"] = turn.prompt_tokens;
    entry["reused_tokens"] = turn.reused_tokens;
    entry["generated_tokens"] = turn.generated_tokens;
    entry["stop"] = turn.stop;
    json["turns"].push_back(std::move(entry));
  }
  return json;
}

void Conversation::print_statistics() const {
  std::size_t read = 0, reused = 0, generated = 0;
  double decode_seconds = 0;
  for (const Turn& turn : turns_) {
    read += turn.prompt_tokens - turn.reused_tokens;
    reused += turn.reused_tokens;
    generated += turn.generated_tokens;
    decode_seconds += turn.decode_seconds;
  }
  const CacheFootprint cache = session_->cache();
  fmt::print(
      stderr,
      "tq: {} answer{}, {} tokens, {} t/s; read {} tokens, {} more were in the cache; cache {} {} ({}) for {} tokens; "
      "memory {}, estimated {}\n",
      turns_.size(), turns_.size() == 1 ? "" : "s", generated, three_digits(per_second(generated, decode_seconds)),
      read, reused, kv_, bytes_text(cache.bytes), bits_text(cache, kv_), session_->context(), bytes_text(peak_memory()),
      bytes_text(session_->estimated_bytes()));
}

}  // namespace tq::cli
