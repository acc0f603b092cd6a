#include "cli/run_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/files.h"
#include "turboquant/plan.h"

namespace tq::cli {
namespace {

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
  add("-n,--predict,--n-predict", choice.tokens,
      "tokens to generate (default 128, or -1 with --chat);\n-1: until end of text, turn or context",
      whole_number(-1, 1 << 30));
  add("--temp", choice.sampling.temperature, "temperature (default 0.8); 0 takes the most likely token",
      number(0, 1000));
  add("--top-k", choice.sampling.top_k, "draw from the N most likely (default 40); 0: all", whole_number(-1, 1 << 30));
  add("--top-p", choice.sampling.top_p, "draw from this share of probability (default 0.95)", number(0, 1));
  add("--min-p", choice.sampling.min_p, "least probability, relative to the best (default 0.05)", number(0, 1));
  add("--typical,--typical-p", choice.sampling.typical_p, "draw from this share of the typical tokens (default 1: off)",
      number(0, 1));
  add("--repeat-penalty", choice.sampling.repeat_penalty, "divide the logits of recent tokens (default 1: off)",
      number(0.01, 100));
  add("--presence-penalty", choice.sampling.presence_penalty, "take this from the logits of recent tokens (default 0)",
      number(-100, 100));
  add("--frequency-penalty", choice.sampling.frequency_penalty, "the same for every time they occur (default 0)",
      number(-100, 100));
  add("--repeat-last-n", choice.sampling.repeat_last_n,
      "how many tokens are recent, the prompt's among them\n(default 64); 0: none, -1: all", whole_number(-1, 1 << 30));
  add("-s,--seed", choice.seed, "seed (default 1); -1: a random one, which is printed", whole_number(-1, INT64_MAX));
  line.add(choice.json_schema, {.names = "--json-schema",
                                .help = "hold the text to the JSON schema in a file",
                                .value = "FILE",
                                .group = kGenerationGroup});
  line.add(choice.stop, {.names = "-r,--stop,--reverse-prompt",
                         .help = "end before this text; may be given several times",
                         .value = "TEXT",
                         .group = kGenerationGroup});
}

void add_compression_options(CommandLine& line, RunChoice& choice) {
  choice.cache.add_to(
      line,
      "cache: K or K:V of the names that 'tq codecs' lists, as\nin tq4:tq3 or q4_0+rotate=on (default f16);\n"
      "+sink=N and +recent=N keep tokens exact,\n+center=auto|mean|bias centres keys; 'auto' chooses one\nthat is safe "
      "for the model and says why");
  line.add(choice.plan, {.names = "--plan",
                         .help = "what 'tq plan' wrote: codecs for the matrices, in place\nof --weights, for the "
                                 "layers of the cache, or for both",
                         .value = "FILE",
                         .group = kCompressionGroup});
  line.add(choice.weights, {.names = "--weights",
                            .help = "compress the matrices of the layers on load\n(default: as the file has them)",
                            .value = "SPEC",
                            .group = kCompressionGroup});
  add_tensor_type_option(line, choice.tensor_types);
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

void add_chat_options(CommandLine& line, RunChoice& choice) {
  line.add(choice.chat, {.names = "--chat",
                         .help = "a conversation; -p is its first message, /help lists its\ncommands",
                         .group = kChatGroup});
  const auto add = [&](const char* names, std::string& target, const char* text, const char* value) {
    line.add(target, {.names = names, .help = text, .value = value, .group = kChatGroup});
  };
  add("--system,--system-prompt", choice.system, "what the model is told before the conversation", "TEXT");
  add("--chat-template,--chat-template-file", choice.chat_template,
      "a file, or a name: plain, chatml, llama2, llama3,\nmistral, gemma, phi3, zephyr (default: the model's own)",
      "FILE|NAME");
  add("--chat-template-kwargs", choice.chat_variables, "a JSON object of further variables of the template", "JSON");
}

}  // namespace

void add_run_options(CommandLine& line, RunChoice& choice) {
  add_input_options(line, choice);
  add_sampling_options(line, choice);
  add_chat_options(line, choice);
  add_compression_options(line, choice);
  choice.engine.add_all_to(line);
  add_json_option(line, choice.json);
}

Result<void> apply_plan(RunChoice& choice) {
  if (!choice.plan.empty()) {
    const Result<Plan> plan = read_plan(choice.plan);
    if (!plan) return std::unexpected(plan.error());
    if (!plan->cache.empty() && !choice.cache.given()) choice.cache.list = choice.plan;
    if (!plan->tensors.empty()) choice.weights = choice.plan;
  }
  return add_rules(choice.tensor_types, {&choice.weights, 1});
}

Result<void> check_run_choice(const RunChoice& choice) {
  if (!choice.plan.empty() && !names_a_plan(choice.plan))
    return fail(ErrorCode::kUsage, fmt::format("--plan {}: a plan is a file whose name ends with .json", choice.plan));
  if (choice.chat && choice.context_shift) {
    return fail(ErrorCode::kUsage,
                "--context-shift does not go with --chat, which forgets the oldest exchange when the context is full");
  }
  if (choice.chat && choice.dash == "-")
    return fail(ErrorCode::kUsage, "- does not go with --chat, which reads its messages from standard input");
  if (choice.chat) return {};
  struct Option {
    const std::string& value;
    const char* name;
  };
  for (const Option& option : {Option{choice.system, "--system"}, Option{choice.chat_template, "--chat-template"},
                               Option{choice.chat_variables, "--chat-template-kwargs"}}) {
    if (!option.value.empty()) return fail(ErrorCode::kUsage, fmt::format("{} needs --chat", option.name));
  }
  return {};
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

Result<std::vector<CacheSpec>> only_cache(const CacheChoice& choice) {
  Result<std::vector<CacheSpec>> specs = choice.specs("f16");
  if (!specs || specs->size() == 1) return specs;
  return fail(ErrorCode::kUsage, fmt::format("tq run takes one cache, not the {} of --kv {}; tq eval compares several",
                                             specs->size(), choice.list));
}

Result<std::unique_ptr<Session>> create_session(const RunChoice& choice, std::shared_ptr<const Model> model,
                                                const CacheSpec& cache, std::size_t context) {
  if (const std::size_t trained = model->config().context_length; context > trained)
    fmt::print(stderr, "tq: the model was trained for {} tokens; beyond them its text decays\n", trained);
  return Session::create(std::move(model),
                         {.cache = cache,
                          .context = context,
                          .batch = choice.batch_size(),
                          .threads = make_thread_pool(choice.engine.most_threads(), choice.engine.bound == 1),
                          .token_threads = choice.engine.thread_count(),
                          .batch_threads = choice.engine.batch_thread_count()});
}

}  // namespace tq::cli
