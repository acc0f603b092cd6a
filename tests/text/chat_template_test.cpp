// Conversations as each family of models reads them, and what a user must not be able to write.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/temporary_folder.h"
#include "text/templates.h"
#include "text/vocabularies.h"
#include "turboquant/chat.h"

namespace tq::test {
namespace {

const std::vector<ChatMessage> kTalk = {
    {"system", "Be brief."}, {"user", "Hi"}, {"assistant", "Hello!"}, {"user", " Bye\n"}};

std::string conversation(std::string_view source, std::vector<ChatMessage> messages = kTalk, bool prompt = true) {
  const auto parsed = must(ChatTemplate::parse(source, "t", "<s>", "</s>"));
  return text_of(must(parsed->render({.messages = std::move(messages), .add_generation_prompt = prompt})));
}

// The templates below are ours, in the dialect of each family: the same constructs, the published format.

constexpr std::string_view kQwen = R"({%- if messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
{%- else %}
    {{- '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
)";

TEST(ChatTemplate, qwen_and_smollm_speak_chatml) {
  EXPECT_EQ(conversation(kQwen),
            "<|im_start|>system\nBe "
            "brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n"
            "<|im_start|>user\n Bye\n<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(conversation(kQwen, {{"user", "Hi"}}, false),
            "<|im_start|>system\nYou are helpful.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n");
}

TEST(ChatTemplate, llama3_puts_a_header_before_each_message) {
  constexpr std::string_view kLlama3 =
      "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + "
      "message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 "
      "%}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ "
      "'<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";
  EXPECT_EQ(
      conversation(kLlama3, {{"user", " Hi\n"}, {"assistant", "Yes"}}),
      "<s><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nYes"
      "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n");
}

TEST(ChatTemplate, llama32_tells_the_date) {
  constexpr std::string_view kDated = R"({{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%Y") %}
    {%- else %}
        {%- set date_string = "2024" %}
    {%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\nToday Date: " + date_string + "\n\n" + system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %})";
  EXPECT_EQ(
      rendered(kDated, R"({"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}]})"),
      "<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: 2023\n\nS<|eot_id|>"
      "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>");
}

TEST(ChatTemplate, mistral_insists_on_alternation) {
  constexpr std::string_view kMistral =
      "{%- if messages[0]['role'] == 'system' -%}{%- set system = messages[0]['content'] -%}{%- set rest = "
      "messages[1:] "
      "-%}{%- else -%}{%- set rest = messages -%}{%- endif -%}{{ bos_token }}{%- for message in rest -%}{%- if "
      "(message['role'] == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception('Roles must alternate') }}{%- endif "
      "-%}{%- if message['role'] == 'user' -%}{%- if loop.last and system is defined -%}{{ '[INST] ' + system + "
      "'\\n\\n' + "
      "message['content'] + '[/INST]' }}{%- else -%}{{ '[INST] ' + message['content'] + '[/INST]' }}{%- endif -%}{%- "
      "elif "
      "message['role'] == 'assistant' -%}{{ ' ' + message['content'] | trim + eos_token }}{%- endif -%}{%- endfor -%}";
  const std::string expected = "<s>[INST] Hi[/INST] Hello!</s>[INST] Be brief.\n\n Bye\n[/INST]";
  EXPECT_EQ(conversation(kMistral), expected);
  EXPECT_EQ(failure_of(kMistral, R"({"messages": [{"role": "assistant", "content": "Hi"}]})"),
            "t: line 1: it refuses the conversation: Roles must alternate");
}

TEST(ChatTemplate, gemma_renames_the_assistant) {
  constexpr std::string_view kGemma =
      "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% "
      "endif "
      "%}{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% "
      "set "
      "role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + "
      "'<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}";
  EXPECT_EQ(conversation(kGemma, {{"user", "Hi"}, {"assistant", "Yes "}, {"user", "Bye"}}),
            "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nYes<end_of_turn>\n<start_of_turn>user\nBye"
            "<end_of_turn>\n<start_of_turn>model\n");
}

TEST(ChatTemplate, phi3_makes_control_tokens_of_roles) {
  constexpr std::string_view kPhi =
      "{% for message in messages %}{{ '<|' + message['role'] + '|>' + '\\n' + message['content'] + '<|end|>\\n' }}{% "
      "endfor "
      "%}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}";
  EXPECT_EQ(conversation(kPhi, {{"user", "Hi"}}), "<|user|>\nHi<|end|>\n<|assistant|>\n");
  // The whole of <|user|> is one stretch of the template; a role that is no usual one cannot make a token.
  const auto parsed = must(ChatTemplate::parse(kPhi, "t"));
  EXPECT_EQ(must(parsed->render({.messages = {{"user", "Hi"}}}))[0].text, "<|user|>\n");
  for (const TextPart& part : must(parsed->render({.messages = {{"endoftext", "Hi"}}})))
    EXPECT_FALSE(part.parse_special && part.text.find("endoftext") != std::string::npos);
}

TEST(ChatTemplate, tools_come_as_json) {
  constexpr std::string_view kTools =
      "{%- if tools %}<tools>{% for tool in tools %}\n{{ tool | tojson }}{% endfor %}</tools>{% endif %}"
      "{% for m in messages %}{% if m.tool_calls %}{% for c in m.tool_calls %}<call>{{ c.function.name }} {{ "
      "c.function.arguments | tojson }}</call>{% endfor %}{% else %}{{ '<|' + m.role + '|>' + m.content }}{% endif "
      "%}{% "
      "endfor %}";
  EXPECT_EQ(
      rendered(kTools, R"({"tools": [{"name": "f", "parameters": {"n": 1}}], "messages": [
                {"role": "user", "content": "é"},
                {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"x": [1.5, true, null]}}}]},
                {"role": "tool", "content": "ok"}]})"),
      "<tools>{\"name\": \"f\", \"parameters\": {\"n\": 1}}</tools><|user|>é<call>f {\"x\": [1.5, true, null]}</call>"
      "<|tool|>ok");
  EXPECT_EQ(conversation(kTools, {{"user", "Hi"}}), "<|user|>Hi") << "without them, tools is none";
  // The names of roles are the template's in variables, too.
  const auto parsed = must(ChatTemplate::parse(kTools, "t"));
  const auto parts =
      must(parsed->render({.messages = {}, .variables = R"({"messages": [{"role": "user", "content": "user"}]})"}));
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].text, "<|user|>");
  EXPECT_FALSE(parts[1].parse_special);
}

TEST(ChatTemplate, reasoning_models_cut_their_thoughts_from_the_history) {
  constexpr std::string_view kThinking =
      "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 "
      "%}{% endif "
      "%}{% endfor %}{% for m in messages %}{% set content = m.content %}{% if m.role == 'assistant' and loop.index0 < "
      "ns.last "
      "and '</think>' in content %}{% set content = content.split('</think>')[-1].lstrip('\\n') %}{% endif %}[{{ "
      "m.role[0] }}]{{ "
      "content }}{% endfor %}{% if add_generation_prompt and enable_thinking is defined and enable_thinking is false "
      "%}<think>"
      "\n\n</think>{% endif %}";
  const auto parsed = must(ChatTemplate::parse(kThinking, "t"));
  const std::vector<ChatMessage> messages = {{"user", "a"}, {"assistant", "<think>hm</think>\n\nb"}, {"user", "c"}};
  EXPECT_EQ(text_of(must(parsed->render({.messages = messages}))), "[u]a[a]b[u]c");
  EXPECT_EQ(text_of(must(parsed->render({.messages = messages, .variables = R"({"enable_thinking": false})"}))),
            "[u]a[a]b[u]c<think>\n\n</think>");
}

TEST(ChatTemplate, the_built_in_ones_write_the_published_formats) {
  const auto with = [&](const std::string& name) {
    Gguf file;
    file.keys = {array_key("tokenizer.ggml.tokens", kText, 2, Bytes().add_text("<s>").add_text("</s>").get()),
                 key<std::uint32_t>("tokenizer.ggml.bos_token_id", kU32, 0),
                 key<std::uint32_t>("tokenizer.ggml.eos_token_id", kU32, 1)};
    const std::string bytes = file.bytes();
    const auto opened = must(TensorFile::from_gguf(bytes_of(bytes), "m"));
    const ChatFormat format = must(read_chat_format(*opened, *must(Tokenizer::from_metadata(byte_metadata({}))), name));
    return text_of(must(format.chat_template->render({.messages = kTalk})));
  };
  EXPECT_EQ(with("chatml"), conversation(kQwen));
  EXPECT_EQ(with("llama3"),
            "<s><|start_header_id|>system<|end_header_id|>\n\nBe "
            "brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi"
            "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHello!<|eot_id|><|start_header_id|>user<|end_"
            "header_id|>"
            "\n\nBye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_EQ(with("llama2"), "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello! </s><s>[INST] Bye [/INST]");
  EXPECT_EQ(with("mistral"), "<s>[INST] Hi[/INST] Hello!</s>[INST] Be brief.\n\n Bye\n[/INST]");
  EXPECT_EQ(with("gemma"),
            "<s><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nHello!<end_of_turn>\n"
            "<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n");
  EXPECT_EQ(with("phi3"),
            "<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello!<|end|>\n<|user|>\n Bye\n<|end|>\n"
            "<|assistant|>\n");
  EXPECT_EQ(
      with("zephyr"),
      "<|system|>\nBe brief.</s>\n<|user|>\nHi</s>\n<|assistant|>\nHello!</s>\n<|user|>\n Bye\n</s>\n<|assistant|>\n");
  EXPECT_EQ(with("plain"), "System: Be brief.\n\nUser: Hi\n\nAssistant: Hello!\n\nUser: Bye\n\nAssistant:");
  EXPECT_EQ(built_in_chat_templates().size(), 8U) << "each is tested above";
}

// ---- what came with the conversation stays apart

TEST(ChatTemplate, every_operation_keeps_the_users_text_apart) {
  const std::string variables = R"({"u": "<|im_end|>", "m": {"<|im_end|>": "<|im_end|>"}, "l": ["<|im_end|>", "x"]})";
  for (const char* source : {"{{ u }}",
                             "{{ u ~ '!' }}",
                             "{{ '!' + u + '!' }}",
                             "{{ u|trim }}",
                             "{{ u|upper|lower }}",
                             "{{ u * 2 }}",
                             "{{ u[::-1][::-1] }}",
                             "{{ u[0:] }}",
                             "{% for c in u %}{{ c }}{% endfor %}",
                             "{{ u|list|join }}",
                             "{{ u.split('|')|join }}",
                             "{{ u.replace('end', 'END') }}",
                             "{{ u|replace('end', 'END') }}",
                             "{{ l|join('') }}",
                             "{{ l|first }}",
                             "{{ l }}",
                             "{{ m }}",
                             "{{ m|tojson }}",
                             "{{ u|tojson }}",
                             "{% for k in m %}{{ k }}{% endfor %}",
                             "{% for k, v in m.items() %}{{ k }}{{ v }}{% endfor %}",
                             "{% set x %}a{{ u }}b{% endset %}{{ x }}",
                             "{% macro f(x) %}{{ x }}{% endmacro %}{{ f(u) }}",
                             "{{ '%s' % u }}",
                             "{{ '%s and %s'|format(u, 'a') }}",
                             "{{ u|default('x') }}",
                             "{{ u|string }}",
                             "{{ u|indent }}",
                             "{{ [u, 'a']|min }}",
                             "{{ u.partition('|')|join }}",
                             "{{ u.strip() }}",
                             "{{ u.title()|lower }}",
                             "{{ namespace(a=u).a }}",
                             "{{ dict(a=u).a }}",
                             "{{ u.splitlines()[0] }}",
                             "{{ l|sort|first|lower }}",
                             "{{ u if true }}",
                             "{{ undefinedx or u }}",
                             "{{ u|e }}",
                             "{{ u.ljust(20) }}",
                             "{% filter lower %}{{ u }}{% endfilter %}",
                             "{{ l|map('upper')|map('lower')|join }}",
                             "{{ u.removeprefix('a') }}"}) {
    const auto parsed = must(ChatTemplate::parse(source, "t"));
    std::string users;
    for (const TextPart& part : must(parsed->render({.messages = {}, .variables = variables}))) {
      if (part.parse_special) {
        for (const char* piece : {"im", "<", "|"})
          EXPECT_EQ(part.text.find(piece), std::string::npos) << source << ": " << part.text;
      } else {
        users += part.text;
      }
    }
    EXPECT_NE(users.find("im"), std::string::npos) << source;
  }
}

TEST(ChatTemplate, text_that_only_looks_alike_is_the_templates) {
  const auto parsed = must(ChatTemplate::parse("{{ '<|im_end|>' if m == '<|im_end|>' }}{{ m|length }}", "t"));
  const std::vector<TextPart> parts = must(parsed->render({.messages = {}, .variables = R"({"m": "<|im_end|>"})"}));
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].text, "<|im_end|>10");
  EXPECT_TRUE(parts[0].parse_special);
}

// ---- ids

struct Vocabulary {
  Metadata metadata = byte_metadata({{"a", "b"}, {"Ċ", "Ċ"}});
  TokenId start = add_token(metadata, "<|im_start|>", 3), end = add_token(metadata, "<|im_end|>", 3);
  TokenId think = add_token(metadata, "<think>", 4);
  TokenizerPointer tokenizer = must(Tokenizer::from_metadata(metadata));
};

TEST(EncodeParts, control_tokens_count_in_the_template_alone) {
  const Vocabulary v;
  const Ids ids = v.tokenizer->encode_parts(
      std::vector<TextPart>{{"<|im_start|>", true}, {"x<|im_end|>", false}, {"<|im_end|>", true}}, true);
  EXPECT_EQ(std::ranges::count(ids, v.end), 1);
  EXPECT_EQ(ids.front(), v.start);
  EXPECT_EQ(ids.back(), v.end);
  EXPECT_EQ(ids.size(), 2 + std::string("x<|im_end|>").size());
}

TEST(EncodeParts, no_control_token_comes_together_across_a_border) {
  const Vocabulary v;
  for (std::size_t cut = 1; cut < 10; ++cut) {
    const std::string token = "<|im_end|>";
    for (const bool first : {false, true}) {
      const std::vector<TextPart> parts = {{token.substr(0, cut), first}, {token.substr(cut), !first}};
      EXPECT_EQ(std::ranges::count(v.tokenizer->encode_parts(parts, false), v.end), 0) << cut;
    }
  }
  // Nor of two that both may, since a template writes its tokens whole.
  EXPECT_EQ(std::ranges::count(
                v.tokenizer->encode_parts(std::vector<TextPart>{{"<|im_", true}, {"end|>", true}}, false), v.end),
            0);
}

TEST(EncodeParts, a_border_is_none_for_merging) {
  const Vocabulary v;
  EXPECT_EQ(v.tokenizer->encode_parts(std::vector<TextPart>{{"a", true}, {"b", false}}, false),
            v.tokenizer->encode("ab"));
  EXPECT_EQ(v.tokenizer->encode_parts(std::vector<TextPart>{{"\n", true}, {"\nab", false}, {"", true}}, false),
            v.tokenizer->encode("\n\nab"));
  EXPECT_EQ(v.tokenizer->encode_parts(std::vector<TextPart>{{"é", false}, {"<thi", false}, {"nk>a", true}}, false),
            v.tokenizer->encode("é<think>a"))
      << "tokens of ordinary text are found anywhere";
}

TEST(EncodeParts, is_encode_where_there_is_one_part) {
  const Vocabulary v;
  const std::string text = "ab<|im_end|>\n\n<think><|im_start|><|im_start|>ab <|im_end";
  for (const bool special : {false, true}) {
    EXPECT_EQ(v.tokenizer->encode_parts(std::vector<TextPart>{{text, special}}, true),
              v.tokenizer->encode(text, {.parse_special = special}));
  }
  EXPECT_EQ(v.tokenizer->encode_parts({}, true), Ids{});
}

// ---- where templates come from

std::string model_with(const std::vector<std::string>& more) {
  Gguf file;
  file.keys = {array_key("tokenizer.ggml.tokens", kText, 1, Bytes().add_text("</s>").get()),
               key<std::uint32_t>("tokenizer.ggml.eos_token_id", kU32, 0)};
  file.keys.insert(file.keys.end(), more.begin(), more.end());
  return file.bytes();
}

std::string first_words(const ChatFormat& format) {
  return text_of(must(format.chat_template->render({.messages = {{"user", "Hi"}}})));
}

TEST(ChatFormat, a_gguf_has_one_template_or_several) {
  const Vocabulary v;
  const std::string bytes =
      model_with({text_key("tokenizer.chat_template", "own {{ messages[0].content }}{{ eos_token }}"),
                  text_key("tokenizer.chat_template.tool_use", "tools")});
  const auto file = must(TensorFile::from_gguf(bytes_of(bytes), "m.gguf"));
  EXPECT_EQ(first_words(must(read_chat_format(*file, *v.tokenizer))), "own Hi</s>");
  EXPECT_EQ(first_words(must(read_chat_format(*file, *v.tokenizer, "tool_use"))), "tools");
  EXPECT_TRUE(first_words(must(read_chat_format(*file, *v.tokenizer, "chatml"))).starts_with("<|im_start|>user"));
  const auto unknown = read_chat_format(*file, *v.tokenizer, "chatmm");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kUsage);
  EXPECT_NE(unknown.error().message.find("plain, chatml"), std::string::npos) << unknown.error().message;
}

TEST(ChatFormat, without_a_template_the_plain_one_says_that_it_is_a_fallback) {
  const Vocabulary v;
  const std::string bytes = model_with({});
  const auto file = must(TensorFile::from_gguf(bytes_of(bytes), "m.gguf"));
  const ChatFormat format = must(read_chat_format(*file, *v.tokenizer));
  EXPECT_TRUE(format.is_fallback);
  EXPECT_TRUE(format.adds_bos);
  EXPECT_EQ(format.stop, std::vector<std::string>{"\nUser:"});
  EXPECT_EQ(first_words(format), "User: Hi\n\nAssistant:");
}

TEST(ChatFormat, a_broken_template_names_file_and_line) {
  const Vocabulary v;
  const std::string bytes = model_with({text_key("tokenizer.chat_template", "{{ x }}\n{% if %}")});
  const auto file = must(TensorFile::from_gguf(bytes_of(bytes), "m.gguf"));
  const auto format = read_chat_format(*file, *v.tokenizer);
  ASSERT_FALSE(format);
  EXPECT_EQ(format.error().code, ErrorCode::kBadFile);
  EXPECT_EQ(format.error().message, "m.gguf: tokenizer.chat_template: line 2: expected a value, not '%}'");
}

TEST(ChatFormat, turns_end_where_the_files_or_the_vocabulary_say) {
  Vocabulary v;
  const TokenId eos = add_token(v.metadata, "</s>", 3), other = add_token(v.metadata, "[STOP]", 3);
  v.metadata.set("tokenizer.ggml.eos_token_id", std::int64_t{eos});
  const TokenizerPointer tokenizer = must(Tokenizer::from_metadata(v.metadata));
  const std::string bytes =
      model_with({key<std::uint32_t>("tokenizer.ggml.eot_token_id", kU32, static_cast<std::uint32_t>(other))});
  const ChatFormat format = must(read_chat_format(*must(TensorFile::from_gguf(bytes_of(bytes), "m")), *tokenizer));
  EXPECT_TRUE(format.ends_turn(eos));
  EXPECT_TRUE(format.ends_turn(other)) << "tokenizer.ggml.eot_token_id";
  EXPECT_TRUE(format.ends_turn(v.end)) << "<|im_end|> is known";
  EXPECT_FALSE(format.ends_turn(v.start));
  EXPECT_FALSE(format.ends_turn('a'));
}

std::string folder_words(const TemporaryFolder& folder, const std::string& choice = {}) {
  const Vocabulary v;
  const auto file = must(TensorFile::open(folder.path()));
  return first_words(must(read_chat_format(*file, *v.tokenizer, choice)));
}

TEST(ChatFormat, a_folder_has_it_in_one_of_two_files) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", small_safetensors());
  folder.write("config.json", R"({"model_type": "llama"})");
  folder.write("tokenizer_config.json",
               R"({"bos_token": {"content": "<b>"}, "chat_template": [{"name": "tool_use", "template": "T"},
                   {"name": "default", "template": "{{ bos_token }}D"}]})");
  EXPECT_EQ(folder_words(folder), "<b>D");
  EXPECT_EQ(folder_words(folder, "tool_use"), "T");
  folder.write("tokenizer_config.json", R"({"bos_token": "<b>", "chat_template": "{{ bos_token }}S"})");
  EXPECT_EQ(folder_words(folder), "<b>S");
  folder.write("chat_template.jinja", "{{ bos_token }}J");
  EXPECT_EQ(folder_words(folder), "<b>J") << "the newer place";
  const std::filesystem::path mine = folder.write("mine.jinja", "M");
  EXPECT_EQ(folder_words(folder, mine.string()), "M");
  folder.write("generation_config.json", R"({"eos_token_id": [7, 9]})");
  const Vocabulary v;
  const ChatFormat format = must(read_chat_format(*must(TensorFile::open(folder.path())), *v.tokenizer));
  EXPECT_TRUE(format.ends_turn(7) && format.ends_turn(9));
}

TEST(ChatFormat, damaged_files_beside_a_model_are_refused_by_name) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", small_safetensors());
  folder.write("config.json", R"({"model_type": "llama"})");
  const Vocabulary v;
  for (const char* config : {"{", "[]", R"({"chat_template": 3})", R"({"chat_template": [3]})",
                             R"({"chat_template": [{"name": "default"}]})", R"({"chat_template": "{% if"})"}) {
    folder.write("tokenizer_config.json", config);
    const auto format = read_chat_format(*must(TensorFile::open(folder.path())), *v.tokenizer);
    ASSERT_FALSE(format) << config;
    EXPECT_EQ(format.error().code, ErrorCode::kBadFile) << config;
    EXPECT_NE(format.error().message.find("tokenizer_config.json"), std::string::npos) << format.error().message;
  }
  // What these say is a help, not a need.
  folder.write("tokenizer_config.json", R"({"chat_template": null, "bos_token": 3, "eos_token": null})");
  folder.write("generation_config.json", R"({"eos_token_id": [-1, "x", 1e99, 5]})");
  const ChatFormat format = must(read_chat_format(*must(TensorFile::open(folder.path())), *v.tokenizer));
  EXPECT_TRUE(format.is_fallback);
  EXPECT_TRUE(format.ends_turn(5));
}

TEST(ChatFormat, templates_of_real_vocabularies_render) {
  TQ_NEEDS_SHARED_DATA("tokenizers/ggml-vocab");
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(shared_data("tokenizers/ggml-vocab"))) {
    if (entry.path().extension() != ".gguf") continue;
    const auto file = must(TensorFile::open(entry.path()));
    const auto source = file->metadata().string("tokenizer.chat_template");
    if (!source) continue;
    ++found;
    const auto parsed = must(ChatTemplate::parse(*source, entry.path().filename().string(), "<s>", "</s>"));
    const auto parts = must(parsed->render({.messages = {{"user", "Hi <|end|>"}}}));
    EXPECT_NE(text_of(parts).find("Hi <|end|>"), std::string::npos) << entry.path();
  }
  if (found == 0) GTEST_SKIP() << "none of the vocabularies has a template";
}

}  // namespace
}  // namespace tq::test
