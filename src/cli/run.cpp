// tq run: continue a text.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>

#include "cli/chat.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/generation.h"
#include "cli/interrupt.h"
#include "cli/printable.h"
#include "cli/run_options.h"
#include "cli/units.h"
#include "turboquant/plan.h"
#include "turboquant/stop_strings.h"

namespace tq::cli {
namespace {

struct Prepared {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<Session> session;
  std::string prompt, kv, kv_reason;
  std::vector<TokenId> prompt_tokens;
  AnswerSchema schema;
  std::size_t keep = 0;      ///< first tokens that a shift of the context keeps
  std::size_t restored = 0;  ///< tokens of the prompt that the cache holds already
};

struct Outcome {
  std::vector<TokenId> tokens;
  std::string text, stop;  ///< stop: "length", "eos", "stop", "schema", "context"
  std::size_t shifts = 0;
  double prompt_seconds = 0, decode_seconds = 0;
};

/// The cache's size where -c does not say it: what is needed, or 4096 if that is more, within what the model was
/// trained for. A model for 128K tokens would otherwise ask for 16 GiB to say one sentence.
std::size_t context_for(const RunChoice& choice, std::size_t trained, std::size_t prompt_tokens) {
  constexpr std::size_t kUsual = 4096;
  if (choice.context > 0) return static_cast<std::size_t>(choice.context);
  if (choice.context == 0 || choice.tokens < 0) return trained;
  return std::min(trained, std::max(kUsual, prompt_tokens + static_cast<std::size_t>(choice.tokens)));
}

Result<std::vector<TokenId>> encode_prompt(const Tokenizer& tokenizer, const std::string& prompt) {
  std::vector<TokenId> tokens = tokenizer.encode(prompt);
  if (tokens.empty() && tokenizer.bos()) tokens.push_back(*tokenizer.bos());
  if (tokens.empty())
    return fail(ErrorCode::kUsage, "the prompt is empty, and the model has no token to begin a text with");
  return tokens;
}

std::size_t tokens_to_keep(const RunChoice& choice, const CacheSpec& cache, const Prepared& run) {
  if (choice.has_keep) return choice.keep < 0 ? run.prompt_tokens.size() : static_cast<std::size_t>(choice.keep);
  const std::size_t bos = run.tokenizer->bos() == run.prompt_tokens.front() ? 1 : 0;
  return std::max(cache.sinks, bos);
}

/// Restores a sequence and keeps what it has in common with the prompt, whose last token must be read for its logits.
Result<void> restore(const std::string& path, Prepared& run) {
  if (path.empty()) return {};
  if (Result<void> restored = run.session->restore(path); !restored) return restored;
  const std::span<const TokenId> held = run.session->tokens();
  run.restored = common_prefix(std::span(run.prompt_tokens).first(run.prompt_tokens.size() - 1), held);
  fmt::print(stderr, "tq: {} holds {} tokens, of which the prompt begins with {}\n", one_line(path), held.size(),
             run.restored);
  run.session->truncate(run.restored);
  return {};
}

Result<Prepared> prepare(const RunChoice& choice) {
  Result<std::vector<CacheSpec>> cache = only_cache(choice.cache);
  if (!cache) return std::unexpected(cache.error());
  if (const Result<void> known = check_weights(choice.weights); !known) return std::unexpected(known.error());
  Prepared run;
  Result<std::string> prompt = read_prompt(choice);
  if (!prompt) return fail(std::move(prompt));
  run.prompt = std::move(*prompt);

  const auto file = choice.model.open();
  if (!file) return std::unexpected(file.error());
  const auto tokenizer = choice.model.open_tokenizer(**file);
  if (!tokenizer) return std::unexpected(tokenizer.error());
  run.tokenizer = *tokenizer;
  Result<std::vector<TokenId>> tokens = encode_prompt(*run.tokenizer, run.prompt);
  if (!tokens) return fail(std::move(tokens));
  run.prompt_tokens = std::move(*tokens);

  const auto model = load_compressed(*file, choice.weights, choice.engine.most_threads(), choice.engine.place());
  if (!model) return std::unexpected(model.error());
  run.kv_reason = choose_caches(*cache, **model).reason;
  std::vector<TokenId> ends;
  if (run.tokenizer->eos()) ends.push_back(*run.tokenizer->eos());
  Result<AnswerSchema> schema =
      AnswerSchema::open(choice.json_schema, *run.tokenizer, (*model)->config().vocab_size, std::move(ends));
  if (!schema) return std::unexpected(schema.error());
  run.schema = std::move(*schema);
  const std::size_t trained = (*model)->config().context_length;
  const std::size_t context = context_for(choice, trained, run.prompt_tokens.size());
  if (run.prompt_tokens.size() > context) {
    return fail(ErrorCode::kUsage,
                fmt::format("the prompt has {} tokens and the context holds {}; shorten the prompt or raise -c",
                            run.prompt_tokens.size(), context));
  }
  Result<std::unique_ptr<Session>> session = create_session(choice, *model, cache->front(), context);
  if (!session) return fail(std::move(session));
  run.session = std::move(*session);
  run.kv = cache->front().name();
  run.keep = tokens_to_keep(choice, cache->front(), run);
  if (const Result<void> restored = restore(choice.restore_cache, run); !restored) {
    return std::unexpected(restored.error());
  }
  return run;
}

Result<Outcome> generate(Prepared& run, const RunChoice& choice, Output& output) {
  Session& session = *run.session;
  Outcome outcome;
  std::vector<float> logits(session.model().config().vocab_size);
  Clock::time_point start = Clock::now();
  const Result<void> read =
      read_through(session, std::span(run.prompt_tokens).subspan(run.restored), choice.batch_size(), logits);
  if (!read) return std::unexpected(read.error());
  outcome.prompt_seconds = seconds_since(start);

  output.put(run.prompt);
  Sampler sampler(choice.sampling);
  sampler.accept(run.prompt_tokens);
  run.schema.restart();
  TextStream text(*run.tokenizer, true);
  StopStrings stop(choice.stop);
  const auto show = [&](const std::string& part) {
    outcome.text += part;
    output.put(part);
  };
  start = Clock::now();
  while (outcome.stop.empty() && !interrupted()) {
    if (outcome.tokens.size() == choice.most_tokens()) {
      outcome.stop = "length";
      break;
    }
    if (const Result<void> masked = run.schema.mask(logits); !masked) return std::unexpected(masked.error());
    const TokenId token = sampler.next(logits);
    if (run.tokenizer->eos() == token) {
      outcome.stop = "eos";
      break;
    }
    outcome.tokens.push_back(token);
    sampler.accept({&token, 1});
    run.schema.accept(token);
    show(stop.put(text.add(token)));
    if (stop.stopped() || run.schema.is_done()) {
      outcome.stop = stop.stopped() ? "stop" : "schema";
      break;
    }
    if (session.position() == session.context() && choice.context_shift) {
      if (const Result<void> shifted = shift_context(session, run.keep); !shifted) {
        return std::unexpected(shifted.error());
      }
      ++outcome.shifts;
    }
    if (session.position() == session.context()) {
      outcome.stop = "context";
    } else if (const Result<void> done = session.append({&token, 1}, 1, logits); !done) {
      return std::unexpected(done.error());
    }
  }
  outcome.decode_seconds = seconds_since(start);
  show(stop.put(text.finish()));
  show(stop.finish());
  output.finish();
  return outcome;
}

void print_statistics(const Prepared& run, const Outcome& outcome) {
  const CacheFootprint cache = run.session->cache();
  if (outcome.stop == "stop") fmt::print(stderr, "tq: a stop string ended the text\n");
  if (outcome.stop == "schema") fmt::print(stderr, "tq: the JSON is complete\n");
  if (outcome.stop == "eos") fmt::print(stderr, "tq: the model ended the text\n");
  if (outcome.stop == "context")
    fmt::print(stderr, "tq: the context of {} tokens is full; -c N makes it longer, --context-shift goes on\n",
               run.session->context());
  if (outcome.shifts > 0)
    fmt::print(stderr, "tq: the context of {} tokens was full {} times, and its older half forgotten each time\n",
               run.session->context(), outcome.shifts);
  fmt::print(
      stderr,
      "tq: prompt {} tokens, {} t/s; generated {}, {} t/s; cache {} {} ({}) for {} tokens; memory {}, estimated {}\n",
      run.prompt_tokens.size(),
      three_digits(per_second(run.prompt_tokens.size() - run.restored, outcome.prompt_seconds)), outcome.tokens.size(),
      three_digits(per_second(outcome.tokens.size(), outcome.decode_seconds)), run.kv, bytes_text(cache.bytes),
      bits_text(cache, run.kv), run.session->context(), bytes_text(peak_memory()),
      bytes_text(run.session->estimated_bytes()));
}

std::string to_json(const Prepared& run, const Outcome& outcome, std::uint64_t seed) {
  const CacheFootprint cache = run.session->cache();
  const Model& model = run.session->model();
  nlohmann::ordered_json json;
  json["schema"] = "turboquant.run/1";
  json["model"] = model.config().name;
  json["weights"] = model.weights_name();
  json["kv"] = run.kv;
  if (!run.kv_reason.empty()) json["kv_reason"] = run.kv_reason;
  json["seed"] = seed;
  json["prompt"] = run.prompt;
  json["text"] = outcome.text;
  json["tokens"] = outcome.tokens;
  json["stop"] = outcome.stop;
  json["context_shifts"] = outcome.shifts;
  json["prompt_tokens"] = run.prompt_tokens.size();
  json["generated_tokens"] = outcome.tokens.size();
  json["restored_tokens"] = run.restored;
  json["prefill_tps"] = per_second(run.prompt_tokens.size() - run.restored, outcome.prompt_seconds);
  json["decode_tps"] = per_second(outcome.tokens.size(), outcome.decode_seconds);
  json["context"] = run.session->context();
  json["kv_bits_k"] = cache.bits_k;
  json["kv_bits_v"] = cache.bits_v;
  json["kv_bytes"] = cache.bytes;
  json["weights_bytes"] = model.footprint().weights_bytes;
  json["peak_rss_bytes"] = peak_memory();
  json["estimated_bytes"] = run.session->estimated_bytes();
  return json_text(json);
}

std::uint64_t random_seed() {
  std::random_device device;
  const std::uint64_t seed = device();
  fmt::print(stderr, "tq: seed {}\n", seed);
  return seed;
}

}  // namespace

Result<void> run_command(const Arguments& arguments) {
  CommandLine line({.name = "run",
                    .summary = "continue a text on compressed weights and a compressed cache",
                    .usage = "[-m MODEL] -p TEXT [options]",
                    .examples = {"-p \"def main():\"", "-m model.gguf -f prompt.txt -n 256 --kv tq4",
                                 "-m model.gguf -p \"Once\" --weights tq4 --kv tq4:tq3 --temp 0",
                                 "-m model.gguf --chat --system \"Be brief.\" --kv tq4"}});
  RunChoice choice;
  add_run_options(line, choice);

  const Result<bool> go_on = line.parse(arguments);
  if (!go_on) return std::unexpected(go_on.error());
  if (!*go_on) return {};
  choice.has_prompt = line.was_given("--prompt");
  choice.has_keep = line.was_given("--keep");
  choice.has_tokens = line.was_given("--predict");
  if (Result<void> fitting = check_run_choice(choice); !fitting) return fitting;
  if (Result<void> applied = apply_plan(choice); !applied) return applied;
  choice.engine.explain();
  if (Result<void> writable = check_json_path(choice.json); !writable) return writable;
  if (Result<void> writable = check_cache_path(choice.save_cache); !writable) return writable;
  choice.sampling.seed = choice.seed < 0 ? random_seed() : static_cast<std::uint64_t>(choice.seed);
  if (choice.chat) return chat(choice);

  Result<Prepared> run = prepare(choice);
  if (!run) return std::unexpected(run.error());
  Output output(choice.json == "-");
  const Result<Outcome> outcome = generate(*run, choice, output);
  if (!outcome) return std::unexpected(outcome.error());
  print_statistics(*run, *outcome);
  if (!choice.save_cache.empty()) {
    if (Result<void> saved = run->session->save(choice.save_cache); !saved) return saved;
  }
  if (outcome->stop.empty()) return fail(ErrorCode::kInterrupted, "interrupted");
  return choice.json.empty() ? Result<void>{} : write_json(to_json(*run, *outcome, choice.sampling.seed), choice.json);
}

}  // namespace tq::cli
