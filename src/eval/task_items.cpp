// The items of a task out of JSONL. Every layout in which a task is published is a row of kLayouts; the prompts are
// those of lm-evaluation-harness.
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "eval/provenance.h"
#include "formats/json.h"
#include "turboquant/tasks.h"

namespace tq {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::size_t kMostCandidates = 1024;

/// The fields of one line. The first thing that is wrong is kept; what is read after it means nothing.
class Line {
 public:
  explicit Line(object fields) : fields_(fields) {}

  std::string text(std::string_view key) {
    std::string_view value;
    element field;
    if (fields_[key].get(field)) return note("it has no field '{}'", key), "";
    if (field.get(value)) return note("its field '{}' is no text", key), "";
    return std::string(value);
  }
  std::vector<std::string> texts(std::string_view key) {
    array values;
    element field;
    if (fields_[key].get(field)) return note("it has no field '{}'", key), std::vector<std::string>{};
    if (field.get(values)) return note("its field '{}' is no list", key), std::vector<std::string>{};
    return texts_of(values, key);
  }
  /// A number, or a text of digits, of which 0 is the first candidate where `first` is 0.
  std::size_t number(std::string_view key, std::size_t first) {
    element field;
    if (fields_[key].get(field)) return note("it has no field '{}'", key), 0;
    std::uint64_t value = 0;
    std::string_view digits;
    if (!field.get(digits)) {
      if (digits.empty()) return note("its field '{}' is empty; a file with the answers is needed", key), 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (error != std::errc() || end != digits.data() + digits.size())
        return note("its field '{}' is no number", key), 0;
    } else if (field.get(value)) {
      return note("its field '{}' is no whole number", key), 0;
    }
    if (value < first || value - first >= kMostCandidates) return note("its field '{}' names no answer", key), 0;
    return static_cast<std::size_t>(value) - first;
  }
  std::optional<Line> inside(std::string_view key) {
    object value;
    if (fields_[key].get(value)) return std::nullopt;
    return Line(value);
  }
  /// The objects of a list.
  std::vector<Line> list(std::string_view key) {
    std::vector<Line> items;
    array values;
    if (fields_[key].get(values)) return note("it has no list '{}'", key), items;
    for (const element item : values) {
      object value;
      if (item.get(value) || items.size() == kMostCandidates)
        return note("its list '{}' is no list of choices", key), items;
      items.emplace_back(value);
    }
    return items;
  }
  bool has(std::string_view key) const { return fields_[key].error() == simdjson::SUCCESS; }
  const std::string& wrong() const { return wrong_; }
  void note(fmt::format_string<std::string_view&> what, std::string_view key) {
    if (wrong_.empty()) wrong_ = fmt::format(what, key);
  }

 private:
  std::vector<std::string> texts_of(array values, std::string_view key) {
    std::vector<std::string> texts;
    for (const element item : values) {
      std::string_view value;
      if (item.get(value) || texts.size() == kMostCandidates)
        return note("its field '{}' is no list of texts", key), texts;
      texts.emplace_back(value);
    }
    return texts;
  }

  object fields_;
  std::string wrong_;
};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\n\r\f\v";
  const std::size_t first = text.find_first_not_of(kSpaces);
  return first == text.npos ? std::string_view{} : text.substr(first, text.find_last_not_of(kSpaces) + 1 - first);
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  std::string result;
  std::size_t at = 0;
  for (std::size_t found; (found = text.find(from, at)) != text.npos; at = found + from.size())
    result.append(text, at, found - at).append(to);
  text = result.append(text, at);
}

/// What the harness does to the texts of HellaSwag, which come from WikiHow: no headings in brackets.
std::string without_headings(std::string_view raw) {
  std::string text(trimmed(raw));
  replace_all(text, " [title]", ". ");
  for (std::size_t open = 0; (open = text.find('[', open)) != text.npos;) {
    const std::size_t close = text.find(']', open), line_end = text.find('\n', open);
    if (close == text.npos) break;
    if (close < line_end)
      text.erase(open, close + 1 - open);
    else
      ++open;
  }
  replace_all(text, "  ", " ");
  return text;
}

/// Letters of ASCII: the first upper case, the others lower.
std::string capitalized(std::string text) {
  for (char& c : text) {
    const bool first = &c == text.data();
    if (first && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (!first && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::string after_space(const std::string& text) { return text.starts_with(' ') ? text : " " + text; }

std::vector<std::string> after_spaces(std::vector<std::string> texts) {
  for (std::string& text : texts) text = after_space(text);
  return texts;
}

std::string as_question(std::string_view question) { return fmt::format("Question: {}\nAnswer:", question); }

TaskItem lambada_text(Line& line) {
  const std::string text = line.text("text");
  const std::size_t space = text.rfind(' ');
  if (space == text.npos || space + 1 == text.size())
    line.note("its field '{}' has no last word after a space", "text");
  if (!line.wrong().empty()) return {};
  return {.contexts = {text.substr(0, space)}, .continuations = {text.substr(space)}};
}

TaskItem context_and_continuation(Line& line) {
  return {.contexts = {line.text("context")}, .continuations = {after_space(line.text("continuation"))}};
}

TaskItem hellaswag(Line& line) {
  const std::string context =
      line.has("ctx_a") ? line.text("ctx_a") + " " + capitalized(line.text("ctx_b")) : line.text("ctx");
  TaskItem item{.contexts = {without_headings(line.text("activity_label") + ": " + context)},
                .continuations = line.texts("endings"),
                .answer = line.number("label", 0)};
  for (std::string& ending : item.continuations) ending = after_space(without_headings(ending));
  return item;
}

TaskItem piqa(Line& line) {
  return {.contexts = {as_question(line.text("goal"))},
          .continuations = {after_space(line.text("sol1")), after_space(line.text("sol2"))},
          .answer = line.number("label", 0)};
}

/// `question` is a text and `choices` {text[], label[]}, or `question` {stem, choices[] {text, label}}.
TaskItem arc(Line& line) {
  TaskItem item;
  std::vector<std::string> labels;
  if (std::optional<Line> question = line.inside("question")) {
    item.contexts = {as_question(question->text("stem"))};
    for (Line& choice : question->list("choices")) {
      item.continuations.push_back(after_space(choice.text("text")));
      labels.push_back(choice.text("label"));
      if (!choice.wrong().empty()) line.note("a choice of its '{}' has no text or no label", "question");
    }
    if (!question->wrong().empty()) line.note("its '{}' has no stem or no choices", "question");
  } else {
    item.contexts = {as_question(line.text("question"))};
    if (std::optional<Line> choices = line.inside("choices")) {
      item.continuations = after_spaces(choices->texts("text"));
      labels = choices->texts("label");
    }
    if (item.continuations.empty() || labels.size() != item.continuations.size())
      line.note("its '{}' are not as many texts as labels", "choices");
  }
  const auto found = std::ranges::find(labels, line.text("answerKey"));
  if (found == labels.end()) line.note("its '{}' is not the label of a choice", "answerKey");
  item.answer = static_cast<std::size_t>(found - labels.begin());
  return item;
}

TaskItem winogrande(Line& line) {
  const std::string sentence = line.text("sentence");
  const std::size_t gap = sentence.find('_');
  if (gap == sentence.npos) line.note("its field '{}' has no gap '_'", "sentence");
  if (!line.wrong().empty()) return {};
  const std::string before = sentence.substr(0, gap);
  return {.contexts = {before + line.text("option1"), before + line.text("option2")},
          .continuations = {" " + std::string(trimmed(std::string_view(sentence).substr(gap + 1)))},
          .answer = line.number("answer", 1)};
}

TaskItem context_options(Line& line) {
  return {.contexts = line.texts("context_options"),
          .continuations = {after_space(line.text("continuation"))},
          .answer = line.number("gold", 0)};
}

TaskItem query_of_sentence(Line& line) {
  return {.contexts = {std::string(trimmed(line.text("query")))},
          .continuations = after_spaces(line.texts("choices")),
          .answer = line.number("gold", 0)};
}

TaskItem query_of_question(Line& line) {
  TaskItem item = query_of_sentence(line);
  item.contexts[0] += "\nAnswer:";
  return item;
}

/// Our own: texts as they are, nothing put between.
TaskItem own(Line& line) {
  return {
      .contexts = {line.text("context")}, .continuations = line.texts("choices"), .answer = line.number("answer", 0)};
}

struct ItemLayout {
  std::string_view task;
  std::string_view mark;  ///< the field that tells this layout from the task's others
  TaskItem (*read)(Line& line);
};

constexpr std::array kLayouts = {ItemLayout{"lambada", "text", lambada_text},
                                 ItemLayout{"lambada", "continuation", context_and_continuation},
                                 ItemLayout{"hellaswag", "endings", hellaswag},
                                 ItemLayout{"hellaswag", "query", query_of_sentence},
                                 ItemLayout{"piqa", "goal", piqa},
                                 ItemLayout{"piqa", "query", query_of_question},
                                 ItemLayout{"arc-easy", "question", arc},
                                 ItemLayout{"arc-easy", "query", query_of_question},
                                 ItemLayout{"winogrande", "sentence", winogrande},
                                 ItemLayout{"winogrande", "context_options", context_options},
                                 ItemLayout{"choices", "choices", own}};

Result<TaskItem> read_item(std::string_view task, object fields, std::string_view name) {
  Line line(fields);
  std::vector<std::string> marks;
  for (const ItemLayout& layout : kLayouts) {
    if (layout.task != task) continue;
    marks.push_back(fmt::format("'{}'", layout.mark));
    if (!line.has(layout.mark)) continue;
    TaskItem item = layout.read(line);
    if (!line.wrong().empty()) return bad_file(name, "{}", line.wrong());
    const std::size_t least = task == "lambada" ? 1 : 2;
    if (item.candidates() < least) return bad_file(name, "it has fewer than two choices");
    if (item.answer >= item.candidates())
      return bad_file(name, "its right answer is none of its {} choices", item.candidates());
    for (const std::string& text : item.continuations) {
      if (trimmed(text).empty()) return bad_file(name, "one of its choices is empty");
    }
    return item;
  }
  return bad_file(name, "it has no field {}, by which an item of {} is known", fmt::join(marks, " or "), task);
}

}  // namespace

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const ItemLayout& layout : kLayouts) {
    if (layout.task != "choices" && (names.empty() || names.back() != layout.task)) names.emplace_back(layout.task);
  }
  return names;
}

Result<Task> parse_task(std::string_view name, std::string_view jsonl, std::string path, std::size_t limit) {
  if (std::ranges::none_of(kLayouts, [&](const ItemLayout& layout) { return layout.task == name; }))
    return fail(ErrorCode::kUsage, fmt::format("there is no task '{}'", name));
  Task task{std::string(name), std::move(path), eval::sha256_hex(jsonl), {}};
  simdjson::dom::parser parser;
  std::size_t number = 0;
  for (std::size_t at = 0; at < jsonl.size() && (limit == 0 || task.items.size() < limit);) {
    const std::size_t end = std::min(jsonl.find('\n', at), jsonl.size());
    const std::string_view text = trimmed(jsonl.substr(at, end - at));
    at = end + 1;
    ++number;
    if (text.empty()) continue;
    const std::string where = fmt::format("{}, line {}", task.path, number);
    const Result<object> fields = parse_json_object(text, where, parser);
    if (!fields) return std::unexpected(fields.error());
    Result<TaskItem> item = read_item(name, *fields, where);
    if (!item) return std::unexpected(item.error());
    item->line = number;
    task.items.push_back(std::move(*item));
  }
  if (task.items.empty()) return bad_file(task.path, "it has no line, and so no item of a task");
  return task;
}

}  // namespace tq
