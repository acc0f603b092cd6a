// tq run: continue a text.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>

#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/printable.h"
#include "cli/progress_bar.h"
#include "cli/units.h"
#include "turboquant/model.h"
#include "turboquant/plan.h"
#include "turboquant/sampler.h"

namespace tq::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct RunChoice {
  ModelChoice model;
  CacheChoice cache;
  EngineChoice engine;
  std::string weights, plan, prompt, file, dash, json, save_cache, restore_cache;
  bool has_prompt = false, has_keep = false, context_shift = false;
  long long tokens = 128, context = -1, seed = 1, keep = -1;
  std::size_t batch = 512, physical_batch = 512;
  SamplerOptions sampling;
};

struct Prepared {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<Session> session;
  std::string prompt, kv;
  std::vector<TokenId> prompt_tokens;
  std::size_t keep = 0;      ///< first tokens that a shift of the context keeps
  std::size_t restored = 0;  ///< tokens of the prompt that the cache holds already
};

struct Outcome {
  std::vector<TokenId> tokens;
  std::string text, stop;  ///< stop: "length", "eos", "context"
  std::size_t shifts = 0;
  double prompt_seconds = 0, decode_seconds = 0;
};

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }
double per_second(std::size_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
}

void add_input_options(CommandLine& line, RunChoice& choice) {
  choice.model.add_to(line);
  line.add(choice.prompt,
           {.names = "-p,--prompt", .help = "the text to continue", .value = "TEXT", .group = kInputGroup});
  line.add(choice.file, {.names = "-f,--file",
                         .help = "read the text from a file; - is standard input",
                         .value = "FILE",
                         .group = kInputGroup});
  line.add(choice.restore_cache,
           {.names = "--restore-cache",
            .help = "begin with what --save-cache wrote; as much of it is\nused as the prompt begins with",
            .value = "FILE",
            .group = kInputGroup});
  line.add(choice.dash, {.names = "dash", .group = kHidden});
}

void add_sampling_options(CommandLine& line, RunChoice& choice) {
  const auto add = [&](const char* names, auto& target, const char* text, auto check) {
    line.add(target, {.names = names, .help = text, .value = "N", .group = kGenerationGroup, .check = check});
  };
  add("-n,--predict,--n-predict", choice.tokens, "tokens to generate (default 128);\n-1: until end of text or context",
      whole_number(-1, 1 << 30));
  add("--temp", choice.sampling.temperature, "temperature (default 0.8); 0 takes the most likely token",
      number(0, 1000));
  add("--top-k", choice.sampling.top_k, "draw from the N most likely (default 40); 0: all", whole_number(-1, 1 << 30));
  add("--top-p", choice.sampling.top_p, "draw from this share of probability (default 0.95)", number(0, 1));
  add("--min-p", choice.sampling.min_p, "least probability, relative to the best (default 0.05)", number(0, 1));
  add("-s,--seed", choice.seed, "seed (default 1); -1: a random one, which is printed", whole_number(-1, INT64_MAX));
}

void add_compression_options(CommandLine& line, RunChoice& choice) {
  choice.cache.add_to(
      line,
      "cache: K or K:V of the names that 'tq codecs' lists, as\nin tq4:tq3 or q4_0+rotate=on (default f16);\n"
      "+sink=N and +recent=N keep tokens exact,\n+center=auto|mean centres keys");
  line.add(choice.plan, {.names = "--plan",
                         .help = "what 'tq plan' wrote: a codec for each matrix,\nin place of --weights",
                         .value = "FILE",
                         .group = kCompressionGroup});
  line.add(choice.weights, {.names = "--weights",
                            .help = "compress the matrices of the layers on load\n(default: as the file has them)",
                            .value = "SPEC",
                            .group = kCompressionGroup});
  line.add(
      choice.context,
      {.names = "-c,--ctx-size",
       .help = "tokens that the cache holds; 0: the model's context\n(default: that, at most what is needed or 4096)",
       .value = "N",
       .group = kCompressionGroup,
       .check = whole_number(0, 1 << 30)});
  line.add(choice.context_shift, {.names = "--context-shift",
                                  .help = "when the context is full, drop the older half and go on",
                                  .group = kGenerationGroup});
  line.add(choice.keep, {.names = "--keep",
                         .help = "first tokens that --context-shift keeps (default: the\nsinks of the cache, or the "
                                 "BOS); -1: the prompt",
                         .value = "N",
                         .group = kGenerationGroup,
                         .check = whole_number(-1, 1 << 30)});
  line.add(choice.save_cache, {.names = "--save-cache",
                               .help = "write the sequence and its cache to a file at the end",
                               .value = "FILE",
                               .group = kOutputGroup});
  const auto add_batch = [&](const char* names, std::size_t& target, const char* text, const char* group) {
    line.add(target, {.names = names, .help = text, .value = "N", .group = group, .check = whole_number(1, 1 << 20)});
  };
  add_batch("-b,--batch-size", choice.batch, "tokens of the prompt per forward pass (default 512)", kEngineGroup);
  add_batch("--ubatch-size", choice.physical_batch, "limits -b", kLlamaGroup);
}

Result<std::string> read_prompt(const RunChoice& choice) {
  const bool from_stdin = choice.dash == "-";
  if (!choice.dash.empty() && !from_stdin) {
    return fail(
        ErrorCode::kUsage,
        fmt::format("there is no use for '{}' in tq run; a prompt needs -p before it, a model -m", choice.dash));
  }
  if (static_cast<int>(choice.has_prompt) + static_cast<int>(!choice.file.empty()) + static_cast<int>(from_stdin) > 1) {
    return fail(ErrorCode::kUsage, "give the prompt once: -p TEXT, or -f FILE, or - for standard input");
  }
  if (choice.has_prompt) return choice.prompt;
  if (choice.file.empty() && !from_stdin) {
    return fail(ErrorCode::kUsage, "there is no prompt; give one with -p TEXT, or -f FILE, or - for standard input");
  }
  return read_text(from_stdin ? "-" : choice.file);
}

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

Result<CacheSpec> only_cache(const CacheChoice& choice) {
  const Result<std::vector<CacheSpec>> specs = choice.specs("f16");
  if (!specs) return std::unexpected(specs.error());
  if (specs->size() == 1) return specs->front();
  return fail(ErrorCode::kUsage, fmt::format("tq run takes one cache, not the {} of --kv {}; tq eval compares several",
                                             specs->size(), choice.list));
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
  const auto [end, ignored] =
      std::mismatch(run.prompt_tokens.begin(), run.prompt_tokens.end() - 1, held.begin(), held.end());
  run.restored = static_cast<std::size_t>(end - run.prompt_tokens.begin());
  fmt::print(stderr, "tq: {} holds {} tokens, of which the prompt begins with {}\n", one_line(path), held.size(),
             run.restored);
  run.session->truncate(run.restored);
  return {};
}

Result<Prepared> prepare(const RunChoice& choice) {
  const Result<CacheSpec> cache = only_cache(choice.cache);
  if (!cache) return std::unexpected(cache.error());
  const std::string weights = choice.plan.empty() ? choice.weights : choice.plan;
  if (!choice.plan.empty() && !names_a_plan(weights))
    return fail(ErrorCode::kUsage, fmt::format("--plan {}: a plan is a file whose name ends with .json", weights));
  if (const Result<void> known = check_weights(weights); !known) return std::unexpected(known.error());
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

  const auto model = load_compressed(*file, weights, choice.engine.thread_count());
  if (!model) return std::unexpected(model.error());
  const std::size_t trained = (*model)->config().context_length;
  const std::size_t context = context_for(choice, trained, run.prompt_tokens.size());
  if (run.prompt_tokens.size() > context) {
    return fail(ErrorCode::kUsage,
                fmt::format("the prompt has {} tokens and the context holds {}; shorten the prompt or raise -c",
                            run.prompt_tokens.size(), context));
  }
  if (context > trained)
    fmt::print(stderr, "tq: the model was trained for {} tokens; beyond them its text decays\n", trained);
  Result<std::unique_ptr<Session>> session =
      Session::create(*model, {.cache = *cache,
                               .context = context,
                               .batch = std::min(choice.batch, choice.physical_batch),
                               .threads = make_thread_pool(choice.engine.thread_count())});
  if (!session) return fail(std::move(session));
  run.session = std::move(*session);
  run.kv = cache->name();
  run.keep = tokens_to_keep(choice, *cache, run);
  if (const Result<void> restored = restore(choice.restore_cache, run); !restored) {
    return std::unexpected(restored.error());
  }
  return run;
}

/// Text goes to standard output as it comes, unless the JSON goes there.
class Output {
 public:
  explicit Output(bool silent) : silent_(silent), stream_(isatty(STDOUT_FILENO) == 1) {}

  void put(std::string_view bytes) { show(stream_.put(bytes)); }
  void finish() { show(stream_.finish() + "\n"); }

 private:
  void show(const std::string& text) const {
    if (silent_ || text.empty()) return;
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  bool silent_;
  TextStream stream_;
};

/// Batch by batch, so that Ctrl-C and the bar are looked after.
Result<void> read_through(Session& session, std::span<const TokenId> tokens, std::size_t batch,
                          std::span<float> logits) {
  ProgressBar bar("prompt");
  for (std::size_t begin = 0; begin < tokens.size(); begin += batch) {
    if (interrupted()) return fail(ErrorCode::kInterrupted, "interrupted");
    bar.update(begin, tokens.size());
    const auto part = tokens.subspan(begin, std::min(batch, tokens.size() - begin));
    const bool last = begin + part.size() == tokens.size();
    Result<void> done = session.append(part, last ? 1 : 0, last ? logits : std::span<float>{});
    if (!done) return done;
  }
  return {};
}

/// Makes room in a full context: keeps the first tokens and the younger half of the others, which are read again, since
/// what they are coded from depends on their positions and on what was dropped.
Result<void> shift_context(Session& session, std::size_t keep) {
  const std::vector<TokenId> tokens(session.tokens().begin(), session.tokens().end());
  const std::size_t kept = std::min(keep, tokens.size() - 1), dropped = (tokens.size() - kept + 1) / 2;
  session.truncate(kept);
  return session.append(std::span(tokens).subspan(kept + dropped), 0, {});
}

Result<Outcome> generate(Prepared& run, const RunChoice& choice, Output& output) {
  Session& session = *run.session;
  Outcome outcome;
  std::vector<float> logits(session.model().config().vocab_size);
  Clock::time_point start = Clock::now();
  const Result<void> read = read_through(session, std::span(run.prompt_tokens).subspan(run.restored),
                                         std::min(choice.batch, choice.physical_batch), logits);
  if (!read) return std::unexpected(read.error());
  outcome.prompt_seconds = seconds_since(start);

  output.put(run.prompt);
  Sampler sampler(choice.sampling);
  const auto wanted = choice.tokens < 0 ? SIZE_MAX : static_cast<std::size_t>(choice.tokens);
  start = Clock::now();
  while (outcome.stop.empty() && !interrupted()) {
    if (outcome.tokens.size() == wanted) {
      outcome.stop = "length";
      break;
    }
    const TokenId token = sampler.next(logits);
    if (run.tokenizer->eos() == token) {
      outcome.stop = "eos";
      break;
    }
    outcome.tokens.push_back(token);
    const std::string piece = run.tokenizer->piece(token);
    outcome.text += piece;
    output.put(piece);
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
  output.finish();
  return outcome;
}

void print_statistics(const Prepared& run, const Outcome& outcome) {
  const CacheFootprint cache = run.session->cache();
  if (outcome.stop == "eos") fmt::print(stderr, "tq: the model ended the text\n");
  if (outcome.stop == "context")
    fmt::print(stderr, "tq: the context of {} tokens is full; -c N makes it longer, --context-shift goes on\n",
               run.session->context());
  if (outcome.shifts > 0)
    fmt::print(stderr, "tq: the context of {} tokens was full {} times, and its older half forgotten each time\n",
               run.session->context(), outcome.shifts);
  const std::string bits = run.kv.find(':') == std::string::npos
                               ? fmt::format("{:.2f} bits", cache.bits_k)
                               : fmt::format("{:.2f} and {:.2f} bits", cache.bits_k, cache.bits_v);
  fmt::print(stderr,
             "tq: prompt {} tokens, {} t/s; generated {}, {} t/s; cache {} {} ({}) for {} tokens; peak memory {}\n",
             run.prompt_tokens.size(),
             three_digits(per_second(run.prompt_tokens.size() - run.restored, outcome.prompt_seconds)),
             outcome.tokens.size(), three_digits(per_second(outcome.tokens.size(), outcome.decode_seconds)), run.kv,
             bytes_text(cache.bytes), bits, run.session->context(), bytes_text(peak_memory()));
}

std::string to_json(const Prepared& run, const Outcome& outcome, std::uint64_t seed) {
  const CacheFootprint cache = run.session->cache();
  const Model& model = run.session->model();
  nlohmann::ordered_json json;
  json["schema"] = "turboquant.run/1";
  json["model"] = model.config().name;
  json["weights"] = model.weights_name();
  json["kv"] = run.kv;
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
                                 "-m model.gguf -p \"Once\" --weights tq4 --kv tq4:tq3 --temp 0"}});
  RunChoice choice;
  add_input_options(line, choice);
  add_sampling_options(line, choice);
  add_compression_options(line, choice);
  choice.engine.add_to(line);
  add_json_option(line, choice.json);

  const Result<bool> go_on = line.parse(arguments);
  if (!go_on) return std::unexpected(go_on.error());
  if (!*go_on) return {};
  choice.has_prompt = line.was_given("--prompt");
  choice.has_keep = line.was_given("--keep");
  choice.engine.explain();
  if (Result<void> writable = check_json_path(choice.json); !writable) return writable;
  if (Result<void> writable = check_cache_path(choice.save_cache); !writable) return writable;
  choice.sampling.seed = choice.seed < 0 ? random_seed() : static_cast<std::uint64_t>(choice.seed);

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
