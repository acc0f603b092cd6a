// Reports come back from files that anyone may have written.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "turboquant/report.h"

namespace tq {
namespace {

using nlohmann::json;

/// Every number is another, so that a field that is read into its neighbour shows.
EvalReport report() {
  double next = 0.5;
  const auto number = [&] { return next += 0.25; };
  EvalReport made;
  made.model = {"a \"model\"", "llama", 1000, 2000};
  made.machine = {"a CPU", "avx2", 2, true};
  made.settings = {"text", "00ff", "f32", "prefill", 512, 8, 2040, 8, 512, 7, "tq eval --kv 'a b'"};
  made.noise_floor = {255, 1.5e-8, 3e-7};
  made.partial = true;
  EvalRow row;
  row.weights = "tq4";
  row.kv = "tq3:tq2";
  row.kv_reason = "the model is small";
  row.weights_bytes = 11;
  row.kv_bytes = 12;
  row.peak_rss_bytes = (std::uint64_t{1} << 53U) + 1;  // no double
  for (double* value : {&row.weights_bpw,
                        &row.weights_bpw_linear,
                        &row.kv_bits_k,
                        &row.kv_bits_v,
                        &row.text.ppl,
                        &row.text.ppl_se,
                        &row.text.ppl_ratio,
                        &row.text.ppl_ratio_se,
                        &row.text.kld_mean,
                        &row.text.kld_mean_se,
                        &row.text.kld_median,
                        &row.text.kld_p99,
                        &row.text.kld_p999,
                        &row.text.kld_max,
                        &row.text.top1_agreement,
                        &row.text.mae_logits,
                        &row.text.rms_delta_p,
                        &row.continuation.token_accuracy,
                        &row.continuation.missed_divergence,
                        &row.continuation.base_token_ppl,
                        &row.prefill_tps,
                        &row.decode_tps,
                        &row.seconds})
    *value = number();
  row.kld_by_position = {{256, 272, number()}, {272, 288, number()}};
  for (int layer = 0; layer < 2; ++layer) {
    row.layers.emplace_back();
    for (VectorError LayerError::*tensor :
         {&LayerError::k, &LayerError::v, &LayerError::attention, &LayerError::hidden})
      row.layers.back().*tensor = {number(), number(), number()};
  }
  made.rows = {row, row};
  made.pairs = {{0, 1, {number(), number(), number(), number()}}};
  made.rows[1].decode_tps = std::numeric_limits<double>::quiet_NaN();
  made.base = row;
  return made;
}

void expect_bad(const std::string& text, const std::string& words) {
  const auto read = read_report(text, "it.json");
  ASSERT_FALSE(read.has_value()) << text.substr(0, 200);
  EXPECT_EQ(read.error().code, ErrorCode::kBadFile);
  EXPECT_TRUE(read.error().message.starts_with("it.json: ")) << read.error().message;
  EXPECT_NE(read.error().message.find(words), std::string::npos) << read.error().message;
  EXPECT_EQ(read.error().message.find('\n'), std::string::npos);
}

json with(const std::string& pointer, json value) {
  json changed = json::parse(to_json(report()));
  changed[json::json_pointer(pointer)] = std::move(value);
  return changed;
}

TEST(ReportRead, what_was_written_comes_back) {
  const std::string text = to_json(report());
  const auto read = read_report(text, "it.json");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(to_json(*read), text);
}

TEST(ReportRead, fields_of_another_version_are_no_error) {
  json changed = with("/a new field", {{"deep", 1}});
  for (const char* field : {"seconds", "kld_by_position", "kld_mean", "verdict"}) changed["rows"][0].erase(field);
  for (const char* field : {"machine", "base", "partial", "summary", "best_by_size", "pairs"}) changed.erase(field);
  const auto read = read_report(changed.dump(), "it.json");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_TRUE(std::isnan(read->rows[0].text.kld_mean)) << "missing is not 0, which would be perfect";
}

TEST(ReportRead, what_is_no_report_is_refused) {
  expect_bad("", "JSON is broken");
  expect_bad("{", "JSON is broken");
  expect_bad("[]", "must be an object");
  expect_bad("{}", "no schema");
  expect_bad(R"({"schema": 1})", "no schema");
  expect_bad(R"({"schema": "turboquant.vectors/1", "rows": []})", "turboquant.vectors/1");
  expect_bad(R"({"schema": "turboquant.eval/1"})", "no list of rows");
  expect_bad("{\"schema\": \"turboquant.eval/1\xff\", \"rows\": []}", "JSON is broken");
  expect_bad(std::string(100000, '['), "JSON is broken");
}

TEST(ReportRead, a_field_of_the_wrong_type_is_named) {
  const std::pair<const char*, json> changes[] = {{"/rows", json::object()},
                                                  {"/rows/0", 1},
                                                  {"/rows/0/kv", 3},
                                                  {"/rows/0/kld_mean", "<b>0</b>"},
                                                  {"/rows/1/kv_bytes", -1},
                                                  {"/rows/1/kv_bytes", 1.5},
                                                  {"/rows/0/kld_by_position", 4},
                                                  {"/rows/0/kld_by_position/0/from", "x"},
                                                  {"/rows/0/layers", "all"},
                                                  {"/rows/0/layers/1/v", 0.5},
                                                  {"/rows/0/layers/1/v/mae", "0.5"},
                                                  {"/machine/threads", std::uint64_t{1} << 40U},
                                                  {"/machine/cpu", json::array()},
                                                  {"/model", "pycoder"},
                                                  {"/partial", 0},
                                                  {"/settings/chunks", json::array({1})},
                                                  {"/base/ppl", true},
                                                  {"/pairs", 7},
                                                  {"/pairs/0/kld_change", "0"},
                                                  {"/pairs/0/to", -1}};
  for (const auto& [pointer, value] : changes) {
    const std::string path = pointer;
    const std::string field = path.substr(path.rfind('/') + 1);
    expect_bad(with(path, value).dump(), path == "/rows/0" ? "rows" : field);
  }
}

TEST(ReportRead, a_pair_of_rows_that_are_not_there_is_refused) {
  expect_bad(with("/pairs/0/to", 2).dump(), "pairs");
  expect_bad(with("/pairs/0/to", 0).dump(), "pairs");
  expect_bad(with("/pairs/0/from", 1).dump(), "pairs name rows that are not there");
  json changed = with("/pairs", json::array());
  for (int i = 0; i < 4097; ++i) changed["pairs"].push_back({{"from", 0}, {"to", 1}});
  expect_bad(changed.dump(), "pairs");
}

TEST(ReportRead, rows_are_counted_before_they_are_compared) {
  json changed = with("/rows", json::array());
  for (int i = 0; i < 4097; ++i) changed["rows"].push_back({{"kv", "f16"}});
  expect_bad(changed.dump(), "rows");
  changed["rows"].erase(0);
  EXPECT_TRUE(read_report(changed.dump(), "it.json").has_value());
}

}  // namespace
}  // namespace tq
