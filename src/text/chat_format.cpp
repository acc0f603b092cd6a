// Where a model's chat template, its special tokens and the ends of its turns are written down.
#include <algorithm>
#include <array>
#include <optional>
#include <system_error>

#include "base/file.h"
#include "formats/json.h"
#include "formats/message.h"
#include "text/built_in_templates.h"
#include "turboquant/chat.h"

namespace tq {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{64} << 20;
constexpr std::string_view kGgufKey = "tokenizer.chat_template", kJsonConfigKey = "tokenizer.huggingface.config";

/// Control tokens that end a turn in one family or another, for the many files that name only one of theirs.
constexpr std::array<std::string_view, 12> kEndTexts = {
    "<|im_end|>", "<|eot_id|>",      "<|eom_id|>", "<|end|>", "<end_of_turn>",   "<|endoftext|>",
    "</s>",       "<|end_of_text|>", "<|return|>", "<turn|>", "<|end_of_turn|>", "<|END_OF_TURN_TOKEN|>"};

struct NamedTemplate {
  std::string name, source, origin;  ///< the name is empty for the default
};

/// What a model says about its conversations.
struct ChatFiles {
  std::vector<NamedTemplate> templates;
  std::string bos_token, eos_token;
  std::vector<TokenId> end_tokens;
};

std::string token_text(const Metadata& metadata, std::string_view key) {
  const Metadata::Strings* tokens = metadata.strings("tokenizer.ggml.tokens");
  const std::optional<std::int64_t> id = metadata.integer(key);
  if (tokens == nullptr || !id || *id < 0 || static_cast<std::uint64_t>(*id) >= tokens->size()) return {};
  return (*tokens)[static_cast<std::size_t>(*id)];
}

void read_metadata(const Metadata& metadata, ChatFiles& files) {
  files.bos_token = token_text(metadata, "tokenizer.ggml.bos_token_id");
  files.eos_token = token_text(metadata, "tokenizer.ggml.eos_token_id");
  for (const auto& [key, value] : metadata.values()) {
    const std::string* source = std::get_if<std::string>(&value);
    if (source == nullptr || !key.starts_with(kGgufKey)) continue;
    if (key == kGgufKey) files.templates.insert(files.templates.begin(), {"", *source, key});
    if (key.starts_with(std::string(kGgufKey) + '.'))
      files.templates.push_back({key.substr(kGgufKey.size() + 1), *source, key});
  }
  for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    if (const auto id = metadata.integer(key); id && *id >= 0 && *id < (1 << 30))
      files.end_tokens.push_back(static_cast<TokenId>(*id));
  }
}

/// A token that tokenizer_config.json names, as a text or as an object with `content`.
std::string named_token(simdjson::dom::object config, const char* key) {
  std::string_view text;
  simdjson::dom::element token;
  if (config[key].get(token)) return {};
  if (token.get(text) != simdjson::SUCCESS && token["content"].get(text)) return {};
  return std::string(text);
}

Result<void> read_tokenizer_config(std::string_view json, const std::string& name, ChatFiles& files) {
  simdjson::dom::parser parser;
  const Result<simdjson::dom::object> config = parse_json_object(json, name, parser);
  if (!config) return std::unexpected(config.error());
  if (files.bos_token.empty()) files.bos_token = named_token(*config, "bos_token");
  if (files.eos_token.empty()) files.eos_token = named_token(*config, "eos_token");
  simdjson::dom::element found;
  if ((*config)["chat_template"].get(found) || found.is_null()) return {};
  std::string_view source, label;
  if (found.get(source) == simdjson::SUCCESS) {
    files.templates.push_back({"", std::string(source), name});
    return {};
  }
  simdjson::dom::array list;
  if (found.get(list)) return bad_file(name, "its chat_template is neither a string nor a list");
  for (const auto entry : list) {
    if (entry["name"].get(label) || entry["template"].get(source))
      return bad_file(name, "an entry of its chat_template has no name or no template");
    files.templates.push_back({label == "default" ? "" : std::string(label), std::string(source), name});
  }
  return {};
}

/// `eos_token_id` of generation_config.json: a number or a list of them.
void read_end_tokens(std::string_view json, ChatFiles& files) {
  simdjson::dom::parser parser;
  const Result<simdjson::dom::object> config = parse_json_object(json, "generation_config.json", parser);
  simdjson::dom::element ids;
  if (!config || (*config)["eos_token_id"].get(ids)) return;
  const auto add = [&](simdjson::dom::element value) {
    std::int64_t id = -1;
    if (!value.get(id) && id >= 0 && id < (1 << 30)) files.end_tokens.push_back(static_cast<TokenId>(id));
  };
  simdjson::dom::array list;
  if (ids.get(list)) return add(ids);
  for (const auto id : list) add(id);
}

Result<std::string> read_if_present(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) ? read_file(path, kMaxConfigBytes) : Result<std::string>(std::string());
}

/// chat_template.jinja, where there is one, is newer than what tokenizer_config.json says.
Result<void> read_folder(const fs::path& folder, ChatFiles& files) {
  const fs::path jinja_path = folder / "chat_template.jinja", config_path = folder / "tokenizer_config.json";
  const Result<std::string> jinja = read_if_present(jinja_path);
  if (!jinja) return std::unexpected(jinja.error());
  if (!jinja->empty()) files.templates.push_back({"", *jinja, jinja_path.string()});
  const Result<std::string> config = read_if_present(config_path);
  if (!config) return std::unexpected(config.error());
  if (!config->empty()) {
    if (Result<void> read = read_tokenizer_config(*config, config_path.string(), files); !read) return read;
  }
  const Result<std::string> generation = read_if_present(folder / "generation_config.json");
  if (generation && !generation->empty()) read_end_tokens(*generation, files);
  return {};
}

Result<ChatFiles> read_chat_files(const TensorFile& file) {
  ChatFiles files;
  const Metadata& metadata = file.metadata();
  read_metadata(metadata, files);
  if (const auto config = metadata.string(kJsonConfigKey)) {
    if (Result<void> read = read_tokenizer_config(*config, fmt::format("{}: {}", file.path(), kJsonConfigKey), files);
        !read)
      return fail(std::move(read));
  }
  if (file.format() == "safetensors") {
    std::error_code ignored;
    const fs::path path = file.path();
    if (Result<void> read = read_folder(fs::is_directory(path, ignored) ? path : path.parent_path(), files); !read)
      return fail(std::move(read));
  }
  return files;
}

const BuiltInTemplate* find_built_in(std::string_view name) {
  const auto& all = built_in_templates();
  const auto found = std::ranges::find(all, name, &BuiltInTemplate::name);
  return found == all.end() ? nullptr : &*found;
}

NamedTemplate built_in(const BuiltInTemplate& row) {
  return {std::string(row.name), std::string(row.source), fmt::format("the built-in template {}", row.name)};
}

Result<NamedTemplate> choose(const ChatFiles& files, const std::string& choice, ChatFormat& format) {
  const std::string wanted = choice == "default" ? "" : choice;
  const auto own = std::ranges::find(files.templates, wanted, &NamedTemplate::name);
  if (own != files.templates.end()) return *own;
  format.is_fallback = choice.empty();
  if (const BuiltInTemplate* row = find_built_in(choice.empty() ? "plain" : choice)) return built_in(*row);
  std::error_code ignored;
  if (fs::exists(choice, ignored)) {
    Result<std::string> source = read_file(choice, kMaxConfigBytes);
    if (!source) return fail(std::move(source));
    return NamedTemplate{"", std::move(*source), choice};
  }
  std::string names = fmt::format("{}", fmt::join(built_in_chat_templates(), ", "));
  for (const NamedTemplate& row : files.templates) {
    if (!row.name.empty()) names += ", " + row.name;
  }
  return fail(ErrorCode::kUsage,
              fmt::format("{} is neither a file nor a chat template; there are {}", in_quotes(choice), names));
}

/// The tokens that end a turn: those that the files name, and those whose text is known to.
std::vector<TokenId> end_tokens(const ChatFiles& files, const Tokenizer& tokenizer) {
  std::vector<TokenId> ids = files.end_tokens;
  if (tokenizer.eos()) ids.push_back(*tokenizer.eos());
  for (const std::string_view text : kEndTexts) {
    const std::vector<TokenId> found = tokenizer.encode(text, {.add_bos = false, .parse_special = true});
    // One token that gives no text is a control token; some files call Gemma's an ordinary one.
    if (found.size() != 1) continue;
    const std::string piece = tokenizer.piece(found[0]);
    if (piece.empty() || (piece == text && text.starts_with("<end_of"))) ids.push_back(found[0]);
  }
  std::ranges::sort(ids);
  ids.erase(std::ranges::unique(ids).begin(), ids.end());
  return ids;
}

}  // namespace

bool ChatFormat::ends_turn(TokenId token) const { return std::ranges::binary_search(end_tokens, token); }

std::vector<std::string> built_in_chat_templates() {
  std::vector<std::string> names;
  for (const BuiltInTemplate& row : built_in_templates()) names.emplace_back(row.name);
  return names;
}

Result<ChatFormat> read_chat_format(const TensorFile& file, const Tokenizer& tokenizer, const std::string& choice) {
  const Result<ChatFiles> files = read_chat_files(file);
  if (!files) return std::unexpected(files.error());
  ChatFormat format;
  const Result<NamedTemplate> chosen = choose(*files, choice, format);
  if (!chosen) return std::unexpected(chosen.error());
  const std::string name = fs::path(chosen->origin).has_parent_path() || chosen->origin.starts_with("the ")
                               ? chosen->origin
                               : fmt::format("{}: {}", file.path(), chosen->origin);
  Result<std::shared_ptr<const ChatTemplate>> parsed =
      ChatTemplate::parse(chosen->source, name, files->bos_token, files->eos_token);
  if (!parsed) return fail(std::move(parsed));
  format.chat_template = std::move(*parsed);
  format.origin = chosen->origin;
  format.end_tokens = end_tokens(*files, tokenizer);
  if (chosen->name == "plain") {
    format.adds_bos = true;
    format.stop = {"\nUser:"};
  }
  return format;
}

}  // namespace tq
