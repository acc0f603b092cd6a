// THE list of built-in chat templates, each from the published description of its format.
#include "text/built_in_templates.h"

namespace tq {
namespace {

constexpr std::string_view kPlain = R"(
{%- for message in messages -%}
  {{ message.role | capitalize }}: {{ message.content | trim }}{{ '\n\n' }}
{%- endfor -%}
{{ 'Assistant:' if add_generation_prompt }})";

constexpr std::string_view kChatMl = R"(
{%- for message in messages -%}
  <|im_start|>{{ message.role }}{{ '\n' }}{{ message.content }}<|im_end|>{{ '\n' }}
{%- endfor -%}
{{ '<|im_start|>assistant\n' if add_generation_prompt }})";

constexpr std::string_view kLlama3 = R"(
{{- bos_token -}}
{%- for message in messages -%}
  <|start_header_id|>{{ message.role }}<|end_header_id|>{{ '\n\n' }}{{ message.content | trim }}<|eot_id|>
{%- endfor -%}
{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' if add_generation_prompt }})";

// The system message goes into the first question, between markers of its own.
constexpr std::string_view kLlama2 = R"(
{%- set has_system = messages and messages[0].role == 'system' -%}
{%- set rest = messages[1:] if has_system else messages -%}
{%- for message in rest -%}
  {%- if message.role == 'user' -%}
    {{ bos_token }}[INST] {% if loop.first and has_system %}<<SYS>>{{ '\n' }}{{ messages[0].content }}{{ '\n' }}<</SYS>>{{ '\n\n' }}{% endif %}
    {{- message.content | trim }} [/INST]
  {%- else %} {{ message.content | trim }} {{ eos_token }}
  {%- endif -%}
{%- endfor %})";

constexpr std::string_view kMistral = R"(
{{- bos_token -}}
{%- set has_system = messages and messages[0].role == 'system' -%}
{%- set rest = messages[1:] if has_system else messages -%}
{%- for message in rest -%}
  {%- if message.role == 'user' -%}
    [INST] {% if loop.last and has_system %}{{ messages[0].content }}{{ '\n\n' }}{% endif %}{{ message.content }}[/INST]
  {%- else %} {{ message.content | trim }}{{ eos_token }}
  {%- endif -%}
{%- endfor %})";

// Gemma calls the assistant `model` and has no system role.
constexpr std::string_view kGemma = R"(
{{- bos_token -}}
{%- set has_system = messages and messages[0].role == 'system' -%}
{%- set rest = messages[1:] if has_system else messages -%}
{%- for message in rest -%}
  <start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}{{ '\n' }}
  {%- if loop.first and has_system %}{{ messages[0].content | trim }}{{ '\n\n' }}{% endif -%}
  {{ message.content | trim }}<end_of_turn>{{ '\n' }}
{%- endfor -%}
{{ '<start_of_turn>model\n' if add_generation_prompt }})";

constexpr std::string_view kPhi3 = R"(
{%- for message in messages -%}
  {{ '<|' + message.role + '|>\n' }}{{ message.content }}<|end|>{{ '\n' }}
{%- endfor -%}
{{ '<|assistant|>\n' if add_generation_prompt }})";

constexpr std::string_view kZephyr = R"(
{%- for message in messages -%}
  {{ '<|' + message.role + '|>\n' }}{{ message.content }}{{ eos_token }}{{ '\n' }}
{%- endfor -%}
{{ '<|assistant|>\n' if add_generation_prompt }})";

}  // namespace

const std::vector<BuiltInTemplate>& built_in_templates() {
  static const std::vector<BuiltInTemplate> kAll = {
      {"plain", kPlain},     {"chatml", kChatMl}, {"llama2", kLlama2}, {"llama3", kLlama3},
      {"mistral", kMistral}, {"gemma", kGemma},   {"phi3", kPhi3},     {"zephyr", kZephyr},
  };
  return kAll;
}

}  // namespace tq
