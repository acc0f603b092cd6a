// The report as JSON, schema turboquant.eval/1. Field names are a contract; docs/evaluation.md explains them.
#include <cmath>
#include <span>

#include "eval/report_writer.h"
#include "turboquant/report.h"

namespace tq {
namespace {

using eval::Json, eval::finite;

Json to_json(const std::vector<PositionBin>& bins) {
  Json json = Json::array();
  for (const PositionBin& bin : bins)
    json.push_back({{"from", bin.from}, {"to", bin.to}, {"kld_mean", finite(bin.kld_mean)}});
  return json;
}

Json to_json(const VectorError& error) {
  return {
      {"mae", finite(error.mae)}, {"cosine", finite(error.cosine)}, {"relative_error", finite(error.relative_error)}};
}

Json to_json(const std::vector<LayerError>& layers) {
  Json json = Json::array();
  for (const LayerError& layer : layers) {
    json.push_back({{"k", to_json(layer.k)},
                    {"v", to_json(layer.v)},
                    {"attention", to_json(layer.attention)},
                    {"hidden", to_json(layer.hidden)}});
  }
  return json;
}

Json to_json(const std::vector<BestRow>& rows) {
  Json json = Json::array();
  for (const BestRow& best : rows) json.push_back({{"row", best.row}, {"bytes", best.bytes}, {"ties", best.ties}});
  return json;
}

Json to_json(const std::vector<RowPair>& pairs) {
  Json json = Json::array();
  for (const RowPair& pair : pairs) {
    json.push_back({{"from", pair.from},
                    {"to", pair.to},
                    {"kld_change", finite(pair.change.kld)},
                    {"kld_change_se", finite(pair.change.kld_se)},
                    {"nll_change", finite(pair.change.nll)},
                    {"nll_change_se", finite(pair.change.nll_se)},
                    {"differs", differs(pair.change)}});
  }
  return json;
}

Json verdict_of(const EvalRow& row, std::size_t scored_tokens) {
  const std::optional<Verdict> verdict = judge(row, scored_tokens);
  return verdict ? Json(verdict_name(*verdict)) : Json(nullptr);
}

Json to_json(const EvalRow& row) {
  Json json = eval::row_head(row);
  json["weights_bpw"] = finite(row.weights_bpw);
  json.update({{"ppl", finite(row.text.ppl)},
               {"ppl_se", finite(row.text.ppl_se)},
               {"ppl_ratio", finite(row.text.ppl_ratio)},
               {"ppl_ratio_se", finite(row.text.ppl_ratio_se)},
               {"kld_mean", finite(row.text.kld_mean)},
               {"kld_mean_se", finite(row.text.kld_mean_se)},
               {"kld_median", finite(row.text.kld_median)},
               {"kld_p99", finite(row.text.kld_p99)},
               {"kld_p999", finite(row.text.kld_p999)},
               {"kld_max", finite(row.text.kld_max)},
               {"top1_agreement", finite(row.text.top1_agreement)},
               {"token_accuracy", finite(row.continuation.token_accuracy)},
               {"missed_divergence", finite(row.continuation.missed_divergence)},
               {"base_token_ppl", finite(row.continuation.base_token_ppl)},
               {"mae_logits", finite(row.text.mae_logits)},
               {"rms_delta_p", finite(row.text.rms_delta_p)},
               {"prefill_tps", finite(row.prefill_tps)},
               {"decode_tps", finite(row.decode_tps)},
               {"seconds", finite(row.seconds)},
               {"kld_by_position", to_json(row.kld_by_position)},
               {"layers", to_json(row.layers)}});
  return json;
}

}  // namespace

std::string to_json(std::span<const EvalReport> reports) {
  std::string json = "{\n\"schema\": \"turboquant.report/1\",\n\"reports\": [";
  for (const EvalReport& report : reports) json += (&report == reports.data() ? "\n" : ",\n") + to_json(report);
  return json + "\n]\n}";
}

std::string to_json(const EvalReport& report) {
  Json json = eval::report_head("turboquant.eval/1", report.model, report.machine);
  json["settings"] = {{"text", report.settings.text},
                      {"text_sha256", report.settings.text_sha256},
                      {"context", report.settings.context},
                      {"chunks", report.settings.chunks},
                      {"scored_tokens", report.settings.scored_tokens},
                      {"base", report.settings.base},
                      {"path", report.settings.path},
                      {"continuations", report.settings.continuations},
                      {"continuation_tokens", report.settings.continuation_tokens},
                      {"seed", report.settings.seed},
                      {"command", report.settings.command}};
  json["partial"] = report.partial;
  json["noise_floor"] = {{"tokens", report.noise_floor.tokens},
                         {"kld_mean", finite(report.noise_floor.kld_mean)},
                         {"kld_max", finite(report.noise_floor.kld_max)}};
  json["summary"] = summary_in_words(report);
  json["best_by_size"] = to_json(best_by_size(report));
  json["base"] = to_json(report.base);
  json["rows"] = Json::array();
  for (const EvalRow& row : report.rows) {
    json["rows"].push_back(to_json(row));
    json["rows"].back()["verdict"] = verdict_of(row, report.settings.scored_tokens);
    const std::optional<std::size_t> worst = worst_layer(row);
    json["rows"].back()["worst_layer"] = worst ? Json(*worst) : Json(nullptr);
  }
  json["pairs"] = to_json(report.pairs);
  return eval::text_of(json);
}

}  // namespace tq
