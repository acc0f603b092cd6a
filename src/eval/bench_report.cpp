// The figures of `tq bench`, as llama-bench gives them.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "turboquant/bench.h"

namespace tq {
namespace {

using Json = nlohmann::ordered_json;

std::string test_name(const BenchRow& row) {
  std::string name = row.n_prompt > 0 ? fmt::format("pp{}", row.n_prompt) : fmt::format("tg{}", row.n_gen);
  if (row.n_depth > 0) name += fmt::format(" @ d{}", row.n_depth);
  return name;
}

std::string size_text(std::uint64_t bytes) {
  const double mebi = static_cast<double>(bytes) / (1024.0 * 1024.0);
  return mebi >= 1024 ? fmt::format("{:.2f} GiB", mebi / 1024) : fmt::format("{:.2f} MiB", mebi);
}

std::string count_text(std::uint64_t count) {
  const double millions = static_cast<double>(count) / 1e6;
  return millions >= 1000 ? fmt::format("{:.2f} B", millions / 1000) : fmt::format("{:.2f} M", millions);
}

Json object_of(const BenchRow& row) {
  Json samples_ns = Json::array(), samples_ts = Json::array();
  double sum_ns = 0, squares = 0;
  for (const double s : row.seconds) {
    sum_ns += 1e9 * s;
    samples_ns.push_back(static_cast<std::uint64_t>(1e9 * s));
    samples_ts.push_back(static_cast<double>(row.tokens()) / s);
  }
  const auto n = static_cast<double>(row.seconds.size());
  for (const double s : row.seconds) squares += (1e9 * s - sum_ns / n) * (1e9 * s - sum_ns / n);
  Json object = {{"cpu_info", row.cpu},
                 {"backends", "CPU"},
                 {"simd", row.simd},
                 {"model_type", row.model},
                 {"model_size", row.weights_bytes},
                 {"model_n_params", row.parameters},
                 {"weights", row.weights},
                 {"kv", row.kv},
                 {"n_batch", row.n_batch},
                 {"n_ubatch", row.n_batch},
                 {"n_threads", row.threads},
                 {"type_k", row.type_k},
                 {"type_v", row.type_v},
                 {"n_prompt", row.n_prompt},
                 {"n_gen", row.n_gen},
                 {"n_depth", row.n_depth},
                 {"avg_ns", static_cast<std::uint64_t>(sum_ns / n)},
                 {"stddev_ns", static_cast<std::uint64_t>(n < 2 ? 0 : std::sqrt(squares / (n - 1)))},
                 {"avg_ts", row.mean_tps()},
                 {"stddev_ts", row.stddev_tps()},
                 {"samples_ns", samples_ns},
                 {"samples_ts", samples_ts},
                 {"kv_bytes", row.kv_bytes},
                 {"peak_rss_bytes", row.peak_rss_bytes}};
  if (!row.kv_reason.empty()) object["kv_reason"] = row.kv_reason;
  return object;
}

std::string quoted(const Json& value) {
  if (!value.is_string()) return value.dump();
  std::string text = "\"";
  for (const char c : value.get<std::string>()) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

std::string dump(const Json& json, int indent) { return json.dump(indent, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string bench_markdown(const std::vector<BenchRow>& rows) {
  std::vector<std::vector<std::string>> cells = {
      {"model", "size", "params", "backend", "threads", "weights", "type_k", "type_v", "test", "t/s"}};
  for (const BenchRow& row : rows) {
    cells.push_back({row.model, size_text(row.weights_bytes), count_text(row.parameters), "CPU",
                     fmt::format("{}", row.threads), row.weights, row.type_k, row.type_v, test_name(row),
                     fmt::format("{:.2f} ± {:.2f}", row.mean_tps(), row.stddev_tps())});
  }
  std::vector<std::size_t> widths(cells[0].size(), 0);
  const auto width = [](const std::string& cell) {  // of UTF-8: continuation bytes take no column
    return static_cast<std::size_t>(std::count_if(
        cell.begin(), cell.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
  };
  for (const auto& line : cells) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width(line[i]));
  }
  constexpr std::size_t kTexts = 1;  // the columns that are aligned to the left
  std::string table;
  for (std::size_t r = 0; r < cells.size(); ++r) {
    for (std::size_t i = 0; i < cells[r].size(); ++i) {
      const std::string space(widths[i] - width(cells[r][i]), ' ');
      table += "| " + (i < kTexts ? cells[r][i] + space : space + cells[r][i]) + " ";
    }
    table += "|\n";
    if (r > 0) continue;
    for (std::size_t i = 0; i < widths.size(); ++i)
      table += i < kTexts ? "| " + std::string(widths[i], '-') + " " : "| " + std::string(widths[i] - 1, '-') + ": ";
    table += "|\n";
  }
  return table;
}

std::string bench_json(const std::vector<BenchRow>& rows) {
  Json json = Json::array();
  for (const BenchRow& row : rows) json.push_back(object_of(row));
  return dump(json, 2);
}

std::string bench_jsonl(const std::vector<BenchRow>& rows) {
  std::string lines;
  for (const BenchRow& row : rows) lines += dump(object_of(row), -1) + "\n";
  return lines;
}

std::string bench_csv(const std::vector<BenchRow>& rows) {
  std::string text;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    Json object = object_of(rows[r]);
    object.erase("samples_ns");
    object.erase("samples_ts");
    object.erase("kv_reason");  // every line has the same columns
    std::string heading, line;
    for (const auto& [key, value] : object.items()) {
      heading += (heading.empty() ? "" : ",") + key;
      line += (line.empty() ? "" : ",") + quoted(value);
    }
    text += (r == 0 ? heading + "\n" : "") + line + "\n";
  }
  return text;
}

}  // namespace tq
