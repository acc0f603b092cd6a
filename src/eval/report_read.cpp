// A report read back from its JSON: the inverse of report_json.cpp.
#include <limits>
#include <optional>

#include "formats/json.h"
#include "turboquant/report.h"

namespace tq {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::string_view kSchema = "turboquant.eval/1";
constexpr std::size_t kMostRows = 4096, kMostBins = 4096, kMostLayers = 4096, kMostPairs = 4096;

/// Reads the fields of one object. A field that is missing keeps its target, but a number, which becomes NaN; one that
/// is of another type is noted in `wrong`, the first of all.
class Fields {
 public:
  /// Nothing: an object without fields.
  Fields(std::optional<object> fields, std::string& wrong) : fields_(fields), wrong_(wrong) {}

  void text(std::string_view key, std::string& target) {
    std::string_view value;
    if (get(key, value)) target = value;
  }
  void flag(std::string_view key, bool& target) { get(key, target); }
  void number(std::string_view key, double& target) {
    target = std::numeric_limits<double>::quiet_NaN();
    element value;
    if (fields_ && !(*fields_)[key].get(value) && !value.is_null()) get(key, target);
  }
  template <class Whole>
  void whole(std::string_view key, Whole& target) {
    std::uint64_t value = 0;
    if (!get(key, value)) return;
    if (value > std::numeric_limits<Whole>::max()) return note(key);
    target = static_cast<Whole>(value);
  }
  Fields inside(std::string_view key) {
    object value;
    return get(key, value) ? Fields(value, wrong_) : Fields(std::nullopt, wrong_);
  }
  /// The objects of a list of at most `most`.
  std::vector<Fields> list(std::string_view key, std::size_t most) {
    std::vector<Fields> items;
    array values;
    if (!get(key, values)) return items;
    for (const element item : values) {
      object value;
      if (items.size() == most || item.get(value)) {
        note(key);
        break;
      }
      items.emplace_back(value, wrong_);
    }
    return items;
  }

 private:
  void note(std::string_view key) {
    if (wrong_.empty()) wrong_ = key;
  }
  template <class Value>
  bool get(std::string_view key, Value& target) {
    element value;
    if (!fields_ || (*fields_)[key].get(value)) return false;
    if (!value.get(target)) return true;
    note(key);
    return false;
  }

  std::optional<object> fields_;
  std::string& wrong_;
};

void read_figures(Fields& fields, EvalRow& row) {
  fields.number("ppl", row.text.ppl);
  fields.number("ppl_se", row.text.ppl_se);
  fields.number("ppl_ratio", row.text.ppl_ratio);
  fields.number("ppl_ratio_se", row.text.ppl_ratio_se);
  fields.number("kld_mean", row.text.kld_mean);
  fields.number("kld_mean_se", row.text.kld_mean_se);
  fields.number("kld_median", row.text.kld_median);
  fields.number("kld_p99", row.text.kld_p99);
  fields.number("kld_p999", row.text.kld_p999);
  fields.number("kld_max", row.text.kld_max);
  fields.number("top1_agreement", row.text.top1_agreement);
  fields.number("mae_logits", row.text.mae_logits);
  fields.number("rms_delta_p", row.text.rms_delta_p);
  fields.number("token_accuracy", row.continuation.token_accuracy);
  fields.number("missed_divergence", row.continuation.missed_divergence);
  fields.number("base_token_ppl", row.continuation.base_token_ppl);
}

VectorError read_error(Fields error) {
  VectorError read;
  error.number("mae", read.mae);
  error.number("cosine", read.cosine);
  error.number("relative_error", read.relative_error);
  return read;
}

EvalRow read_row(Fields& fields) {
  EvalRow row;
  fields.text("weights", row.weights);
  fields.text("kv", row.kv);
  fields.text("kv_reason", row.kv_reason);
  fields.number("weights_bpw", row.weights_bpw);
  fields.number("weights_bpw_linear", row.weights_bpw_linear);
  fields.number("kv_bits_k", row.kv_bits_k);
  fields.number("kv_bits_v", row.kv_bits_v);
  fields.whole("weights_bytes", row.weights_bytes);
  fields.whole("kv_bytes", row.kv_bytes);
  fields.whole("peak_rss_bytes", row.peak_rss_bytes);
  read_figures(fields, row);
  fields.number("prefill_tps", row.prefill_tps);
  fields.number("decode_tps", row.decode_tps);
  fields.number("seconds", row.seconds);
  for (Fields& bin : fields.list("kld_by_position", kMostBins)) {
    PositionBin& read = row.kld_by_position.emplace_back();
    bin.whole("from", read.from);
    bin.whole("to", read.to);
    bin.number("kld_mean", read.kld_mean);
  }
  for (Fields& layer : fields.list("layers", kMostLayers)) {
    row.layers.push_back({read_error(layer.inside("k")), read_error(layer.inside("v")),
                          read_error(layer.inside("attention")), read_error(layer.inside("hidden"))});
  }
  return row;
}

/// False where a pair is not one of two rows of the report.
bool read_pairs(Fields& report_fields, EvalReport& report) {
  for (Fields& fields : report_fields.list("pairs", kMostPairs)) {
    RowPair& pair = report.pairs.emplace_back();
    fields.whole("from", pair.from);
    fields.whole("to", pair.to);
    fields.number("kld_change", pair.change.kld);
    fields.number("kld_change_se", pair.change.kld_se);
    fields.number("nll_change", pair.change.nll);
    fields.number("nll_change_se", pair.change.nll_se);
    if (pair.from >= pair.to || pair.to >= report.rows.size()) return false;
  }
  return true;
}

void read_settings(Fields settings, EvalReport& report) {
  settings.text("text", report.settings.text);
  settings.text("text_sha256", report.settings.text_sha256);
  settings.text("base", report.settings.base);
  settings.text("path", report.settings.path);
  settings.whole("context", report.settings.context);
  settings.whole("chunks", report.settings.chunks);
  settings.whole("scored_tokens", report.settings.scored_tokens);
  settings.whole("continuations", report.settings.continuations);
  settings.whole("continuation_tokens", report.settings.continuation_tokens);
  settings.whole("seed", report.settings.seed);
  settings.text("command", report.settings.command);
}

void read_origin(Fields model, Fields machine, EvalReport& report) {
  model.text("name", report.model.name);
  model.text("architecture", report.model.architecture);
  model.whole("parameters", report.model.parameters);
  model.whole("file_bytes", report.model.file_bytes);
  machine.text("cpu", report.machine.cpu);
  machine.text("simd", report.machine.simd);
  machine.whole("threads", report.machine.threads);
  machine.flag("peak_rss_per_row", report.machine.peak_rss_per_row);
}

}  // namespace

Result<EvalReport> read_report(std::string_view json, std::string_view name) {
  simdjson::dom::parser parser;
  const Result<object> root = parse_json_object(json, name, parser);
  if (!root) return std::unexpected(root.error());
  std::string_view schema;
  if ((*root)["schema"].get(schema)) return bad_file(name, "it has no schema; a report of 'tq eval --json' is needed");
  if (schema != kSchema) return bad_file(name, "its schema is {}, not '{}'", in_quotes(schema), kSchema);
  if (array rows; (*root)["rows"].get(rows)) return bad_file(name, "it has no list of rows");

  std::string wrong;
  Fields fields(*root, wrong);
  EvalReport report;
  read_origin(fields.inside("model"), fields.inside("machine"), report);
  read_settings(fields.inside("settings"), report);
  fields.flag("partial", report.partial);
  Fields floor = fields.inside("noise_floor");
  floor.whole("tokens", report.noise_floor.tokens);
  floor.number("kld_mean", report.noise_floor.kld_mean);
  floor.number("kld_max", report.noise_floor.kld_max);
  Fields base = fields.inside("base");
  report.base = read_row(base);
  for (Fields& row : fields.list("rows", kMostRows)) report.rows.push_back(read_row(row));
  const bool pairs_are_sound = read_pairs(fields, report);
  if (!wrong.empty()) return bad_file(name, "the field {} is not of its type, or too large", in_quotes(wrong));
  if (!pairs_are_sound) return bad_file(name, "its pairs name rows that are not there");
  return report;
}

}  // namespace tq
