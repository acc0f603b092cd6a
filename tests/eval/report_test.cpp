#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "turboquant/report.h"

namespace tq {
namespace {

EvalReport report(const std::string& kv = "tq4") {
  EvalReport made;
  made.model = {"model \"quoted\"", "llama", 1000, 2000};
  made.machine = {"a CPU", "avx2", 2, true};
  made.settings = {"text", "00ff", "f32", "prefill", 512, 8, 2040, 8, 512, 1};
  made.base.weights = "f16";
  EvalRow row;
  row.weights = "f16";
  row.kv = kv;
  row.kv_bits_k = row.kv_bits_v = 4.25;
  row.text.ppl = 7.5;
  row.text.kld_mean = 2.5e-5;
  row.prefill_tps = std::numeric_limits<double>::quiet_NaN();
  made.rows = {row, row};
  return made;
}

// The names are those of the contract with scripts outside the project.
TEST(ReportJson, has_every_field_of_the_contract) {
  const auto json = nlohmann::json::parse(to_json(report()));
  EXPECT_EQ(json.at("schema"), "turboquant.eval/1");
  for (const char* field : {"name", "architecture"}) EXPECT_TRUE(json.at("model").at(field).is_string()) << field;
  for (const char* field : {"parameters", "file_bytes"})
    EXPECT_TRUE(json.at("model").at(field).is_number_unsigned()) << field;
  for (const char* field : {"cpu", "simd"}) EXPECT_TRUE(json.at("machine").at(field).is_string()) << field;
  EXPECT_TRUE(json.at("machine").at("threads").is_number_unsigned());
  for (const char* field : {"text", "text_sha256", "base", "path"})
    EXPECT_TRUE(json.at("settings").at(field).is_string()) << field;
  for (const char* field : {"context", "chunks", "scored_tokens", "seed"})
    EXPECT_TRUE(json.at("settings").at(field).is_number_unsigned()) << field;
  ASSERT_EQ(json.at("rows").size(), 2U);
  for (const char* field : {"weights", "kv"}) EXPECT_TRUE(json.at("rows")[0].at(field).is_string()) << field;
  for (const char* field : {"weights_bytes", "kv_bytes", "peak_rss_bytes"})
    EXPECT_TRUE(json.at("rows")[0].at(field).is_number_unsigned()) << field;
  for (const char* field : {"weights_bpw",    "kv_bits_k",      "kv_bits_v",         "ppl",
                            "ppl_se",         "ppl_ratio",      "kld_mean",          "kld_mean_se",
                            "kld_median",     "kld_p99",        "kld_p999",          "kld_max",
                            "top1_agreement", "token_accuracy", "missed_divergence", "base_token_ppl",
                            "mae_logits",     "rms_delta_p",    "decode_tps",        "seconds"}) {
    EXPECT_TRUE(json.at("rows")[0].at(field).is_number()) << field;
  }
  for (const char* field : {"tokens", "kld_mean", "kld_max"})
    EXPECT_TRUE(json.at("noise_floor").contains(field)) << field;
  EXPECT_EQ(json.at("model").at("name"), "model \"quoted\"");
}

TEST(ReportJson, what_is_not_finite_is_null) {
  EXPECT_TRUE(nlohmann::json::parse(to_json(report())).at("rows")[0].at("prefill_tps").is_null());
}

TEST(ReportJson, a_name_that_is_no_text_does_not_break_it) {
  EvalReport broken = report();
  broken.model.name = "\xff\xfe";
  EXPECT_NO_THROW(nlohmann::json::parse(to_json(broken)));
}

TEST(ReportTable, is_aligned_and_fits_a_terminal) {
  for (const std::string& kv : {std::string("tq4"), std::string("q8_0:q4_0+rotate=on")}) {
    std::istringstream lines(to_table(report(kv)));
    std::string header, first, second;
    std::getline(lines, header);
    std::getline(lines, first);
    std::getline(lines, second);
    EXPECT_EQ(first, second);
    EXPECT_LE(first.size(), 105U + kv.size()) << first;
    EXPECT_EQ(first.find("7.5000") + 6, header.find("ppl") + 3) << "a column's numbers end where its title ends";
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 140U) << line;
  }
}

TEST(ReportTable, shows_weights_only_where_they_differ) {
  EXPECT_EQ(to_table(report()).find("weights  "), std::string::npos);
  EvalReport mixed = report();
  mixed.rows[1].weights = "tq4";
  EXPECT_EQ(to_table(mixed).find("weights"), 0U);
}

/// An error of every layer's hidden state alone.
EvalRow with_hidden_errors(std::initializer_list<double> errors) {
  EvalRow row;
  for (const double error : errors) row.layers.emplace_back().hidden.relative_error = error;
  return row;
}

TEST(WorstLayer, is_the_one_that_raises_the_error_most) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(worst_layer(with_hidden_errors({0.1, 0.15, 0.4, 0.5})), 2U);
  EXPECT_EQ(worst_layer(with_hidden_errors({0.3, 0.1, 0.35, 0.4})), 0U);
  EXPECT_EQ(worst_layer(with_hidden_errors({0.1, nan, 0.4})), 1U);
  EXPECT_EQ(worst_layer(with_hidden_errors({0, 0})), std::nullopt);
  EXPECT_EQ(worst_layer({}), std::nullopt);
}

TEST(ReportTable, names_the_worst_layer_where_layers_were_measured) {
  EXPECT_EQ(to_table(report()).find("worst"), std::string::npos);
  EvalReport made = report();
  made.rows[1].kv = "tq2";
  made.rows[1].layers = with_hidden_errors({0.125, 0.375}).layers;
  const std::string table = to_table(made);
  EXPECT_NE(table.find("layers  K  V  attention     hidden  worst\ntq2     0  0          0  0.375 (1)      1\n"),
            std::string::npos)
      << table;
  EXPECT_NE(to_markdown(made).find("| tq2 | 0 | 0 | 0 | 0.375 \\(1\\) | 1 |"), std::string::npos);
}

TEST(ReportTable, ranks_the_rows_and_says_which_of_two_is_better) {
  EXPECT_EQ(to_table(report()).find("ranked"), std::string::npos) << "a report of an older version has no pairs";
  EvalReport made = report();
  made.rows[0].kv = "tq2";
  made.rows[0].text.kld_mean = 0.25;
  made.pairs = {{0, 1, {-0.25, 0.0125, -0.0001, 0.0004}}};
  const std::string table = to_table(made);
  EXPECT_NE(table.find("ranked by KLD    Δ KLD    ± se  Δ ln ppl   ± se  beyond chance\n"
                       "tq4\n"
                       "tq2            +0.2500  0.0125  +1.0e-04  4e-04            yes\n"),
            std::string::npos)
      << table;
  EXPECT_NE(to_markdown(made).find("| tq2 | +0.2500 | 0.0125 | +1.0e-04 | 4e-04 | yes |"), std::string::npos);
}

TEST(ReportTable, what_was_not_measured_is_a_dash) {
  EvalReport broken = report();
  broken.rows[0].text.ppl = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(to_table(broken).find("nan"), std::string::npos);
}

}  // namespace
}  // namespace tq
