// tq tokenize: the ids that a text becomes.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/files.h"

namespace tq::cli {
namespace {

struct TokenizeChoice {
  std::vector<std::string> positional;  ///< MODEL, and `-` for standard input
  std::string model, file, text, json;
  bool has_text = false, no_bos = false;
};

void add_options(CommandLine& line, TokenizeChoice& choice) {
  line.add(choice.positional, {.names = "positional", .group = kHidden});
  line.add(choice.model, {.names = "-m,--model", .help = "the same as MODEL", .value = "PATH", .group = kInputGroup});
  line.add(choice.file, {.names = "-f,--file",
                         .help = "read the text from a file; - is standard input",
                         .value = "FILE",
                         .group = kInputGroup});
  line.add(choice.text,
           {.names = "-p,--text,--prompt", .help = "the text itself", .value = "TEXT", .group = kInputGroup});
  line.add(choice.no_bos,
           {.names = "--no-bos", .help = "no BOS token first, even if the model expects one", .group = kOutputGroup});
  add_json_option(line, choice.json);
}

Result<void> sort_out_positionals(TokenizeChoice& choice) {
  for (const std::string& word : choice.positional) {
    std::string& target = word == "-" ? choice.file : choice.model;
    if (!target.empty())
      return fail(ErrorCode::kUsage,
                  fmt::format("tq tokenize takes one model and one text, and '{}' is one more", word));
    target = word;
  }
  if (choice.model.empty())
    return fail(ErrorCode::kUsage, "name a model: a GGUF file, a folder with a tokenizer, or a tokenizer file");
  if (choice.has_text == !choice.file.empty()) {
    return fail(ErrorCode::kUsage, "give the text once: --text TEXT, or -f FILE, or - for standard input");
  }
  return {};
}

std::string to_json(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  nlohmann::ordered_json json;
  json["ids"] = ids;
  json["pieces"] = nlohmann::ordered_json::array();
  for (const TokenId id : ids) json["pieces"].push_back(tokenizer.piece(id));
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

Result<void> tokenize_command(const Arguments& arguments) {
  CommandLine line(
      {.name = "tokenize",
       .summary = "the token ids of a text",
       .usage = "MODEL (--text TEXT | -f FILE | -) [options]",
       .examples = {"model.gguf --text \"Hello world\"", "Llama-3.2-1B/ -f book.txt --no-bos --json ids.json"}});
  TokenizeChoice choice;
  add_options(line, choice);
  const Result<bool> go_on = line.parse(arguments);
  if (!go_on) return std::unexpected(go_on.error());
  if (!*go_on) return {};
  choice.has_text = line.was_given("--text");
  if (Result<void> sorted = sort_out_positionals(choice); !sorted) return sorted;
  if (Result<void> writable = check_json_path(choice.json); !writable) return writable;

  const Result<std::shared_ptr<const Tokenizer>> tokenizer = Tokenizer::open(choice.model);
  if (!tokenizer) return std::unexpected(tokenizer.error());
  const Result<std::string> text = choice.has_text ? Result<std::string>(choice.text) : read_text(choice.file);
  if (!text) return std::unexpected(text.error());
  const std::vector<TokenId> ids = (*tokenizer)->encode(*text, {.add_bos = !choice.no_bos});
  if (choice.json != "-") fmt::print("{}\n", fmt::join(ids, " "));
  return choice.json.empty() ? Result<void>{} : write_json(to_json(**tokenizer, ids), choice.json);
}

}  // namespace tq::cli
