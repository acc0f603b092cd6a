// tq bench: its rows, its formats, and the random models.
#include "turboquant/bench.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "support/models.h"
#include "support/python_text.h"
#include "support/short_pycoder.h"

namespace tq {
namespace {

std::vector<CacheSpec> caches(const std::vector<std::string>& names) {
  std::vector<CacheSpec> specs;
  for (const std::string& name : names) specs.push_back(test::must(CacheSpec::parse(name)));
  return specs;
}

BenchRow example() {
  BenchRow row;
  row.model = "a \"model\"";
  row.weights = "tq4";
  row.kv = "tq4:tq3";
  row.type_k = "tq4";
  row.type_v = "tq3";
  row.parameters = 135'000'000;
  row.weights_bytes = 3 << 20;
  row.n_gen = 10;
  row.n_depth = 64;
  row.threads = 2;
  row.seconds = {0.5, 1.0};
  return row;
}

TEST(Bench, every_cache_depth_and_test_has_a_row) {
  const auto model = test::load(test::short_pycoder_gguf());
  std::uint64_t last = 0, end = 0;
  const auto rows = test::must(
      bench(model, caches({"f16", "tq4:tq3"}),
            {.prompt = {8, 0}, .generate = {3}, .depth = {40, 0}, .repetitions = 2, .batch = 16, .threads = 2},
            [&](std::uint64_t done, std::uint64_t total) {
              EXPECT_GE(done, last);
              last = done;
              end = total;
              return true;
            }));
  EXPECT_EQ(last, end);
  ASSERT_EQ(rows.size(), 8U);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const BenchRow& row = rows[i];
    EXPECT_EQ(row.kv, i < 4 ? "f16" : "tq4:tq3");
    EXPECT_EQ(row.n_depth, i % 4 < 2 ? 0U : 40U);
    EXPECT_EQ(row.n_prompt, i % 2 == 0 ? 8U : 0U);
    EXPECT_EQ(row.n_gen, i % 2 == 0 ? 0U : 3U);
    ASSERT_EQ(row.seconds.size(), 2U);
    EXPECT_GT(*std::min_element(row.seconds.begin(), row.seconds.end()), 0);
    EXPECT_GT(row.mean_tps(), 0);
    EXPECT_EQ(row.threads, 2U);
  }
  EXPECT_EQ(rows[4].type_k, "tq4");
  EXPECT_EQ(rows[4].type_v, "tq3");
  EXPECT_LT(rows[4].kv_bytes, rows[0].kv_bytes);
}

TEST(Bench, stops_when_it_is_told_to_and_refuses_what_does_not_fit) {
  const auto model = test::load(test::short_pycoder_gguf());
  const auto stopped = bench(model, caches({"f16"}), {.prompt = {8}, .generate = {}},
                             [](std::uint64_t, std::uint64_t) { return false; });
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, ErrorCode::kInterrupted);
  const auto refused = bench(model, caches({"q2_k"}), {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage) << "heads of 64 are no multiple of 256";
}

TEST(Bench, figures_are_of_the_rates_of_the_repetitions) {
  const BenchRow row = example();
  EXPECT_DOUBLE_EQ(row.mean_tps(), 15);
  EXPECT_DOUBLE_EQ(row.stddev_tps(), std::sqrt(50.0));
  const auto json = nlohmann::json::parse(bench_json({row}));
  ASSERT_EQ(json.size(), 1U);
  for (const char* key :
       {"model_type", "n_threads", "type_k", "type_v", "n_prompt", "n_gen", "n_depth", "avg_ts", "stddev_ts",
        "samples_ts", "avg_ns", "stddev_ns", "samples_ns", "weights", "kv", "peak_rss_bytes"}) {
    EXPECT_TRUE(json[0].contains(key)) << key;
  }
  EXPECT_DOUBLE_EQ(json[0]["avg_ts"], 15);
  EXPECT_EQ(json[0]["avg_ns"], 750000000);
  EXPECT_EQ(json[0]["samples_ts"], nlohmann::json({20.0, 10.0}));
  EXPECT_EQ(nlohmann::json::parse(bench_jsonl({row})), json[0]);
}

TEST(Bench, tables_are_those_of_llama_bench) {
  const std::string table = bench_markdown({example()});
  EXPECT_NE(table.find("| tg10 @ d64 | 15.00 ± 7.07 |"), std::string::npos) << table;
  EXPECT_NE(table.find("3.00 MiB"), std::string::npos) << table;
  const std::string csv = bench_csv({example(), example()});
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3) << csv;
  EXPECT_NE(csv.find("\"a \"\"model\"\"\""), std::string::npos) << csv;
  EXPECT_EQ(bench_csv({}), "");
  EXPECT_EQ(nlohmann::json::parse(bench_json({})), nlohmann::json::array());
}

TEST(Synthetic, has_the_size_of_its_shape_and_runs) {
  const auto model = test::must(make_synthetic_model("smollm2-135m", "tq2"));
  EXPECT_EQ(model->config().n_layers, 30U);
  EXPECT_NEAR(static_cast<double>(model->footprint().parameters), 134.5e6, 0.1e6);  // of its model card
  EXPECT_LT(model->footprint().linear_bits_per_weight(), 2.1);
  const auto session = test::must(Session::create(model, {.cache = test::must(CacheSpec::parse("tq4")), .context = 8}));
  std::vector<float> logits(model->config().vocab_size);
  ASSERT_TRUE(session->append(std::vector<TokenId>{1, 2, 3}, 1, logits).has_value());
  EXPECT_TRUE(std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); }));
  EXPECT_NE(*std::min_element(logits.begin(), logits.end()), *std::max_element(logits.begin(), logits.end()));
}

TEST(Synthetic, has_other_codecs_outside_the_layers_when_asked) {
  const auto usual = test::must(make_synthetic_model("smollm2-135m", "tq2")),
             narrow = test::must(make_synthetic_model("smollm2-135m", "tq2", "tq4"));
  EXPECT_EQ(usual->weights_name(), "tq2");
  EXPECT_EQ(narrow->weights_name(), "tq2+token_embd=tq4");
  EXPECT_EQ(narrow->footprint().linear_bytes, usual->footprint().linear_bytes);
  EXPECT_LT(narrow->footprint().weights_bytes + 10000000, usual->footprint().weights_bytes);  // 28 million values
}

TEST(Synthetic, refuses_what_it_does_not_know) {
  const auto name = make_synthetic_model("smollm", "");
  ASSERT_FALSE(name.has_value());
  EXPECT_EQ(name.error().code, ErrorCode::kUsage);
  EXPECT_NE(name.error().message.find("did you mean 'smollm2-135m'"), std::string::npos) << name.error().message;
  EXPECT_EQ(make_synthetic_model("smollm2-135m", "q4_k").error().code, ErrorCode::kUsage)
      << "rows of 576 have no blocks of 256";
  EXPECT_EQ(make_synthetic_model("smollm2-135m", "tq77").error().code, ErrorCode::kUsage);
}

}  // namespace
}  // namespace tq
