// The figures of `tq vectors` as JSON and as a table.
#include <fmt/format.h>

#include <cmath>

#include "eval/report_writer.h"
#include "turboquant/vectors.h"

namespace tq {
namespace {

using eval::Json, eval::finite;

std::string rate(double per_second) {
  if (per_second >= 1e6) return fmt::format("{:.2f}M", per_second / 1e6);
  return per_second >= 1e4 ? fmt::format("{:.0f}k", per_second / 1e3) : fmt::format("{:.0f}", per_second);
}

}  // namespace

std::string to_json(const VectorsReport& report) {
  Json json;
  json["schema"] = "turboquant.vectors/1";
  json["data"] = {{"name", report.name}, {"rows", report.rows}, {"dim", report.dim}, {"sha256", report.sha256}};
  json["queries"] = report.queries;
  json["leave_one_out"] = report.leave_one_out;
  json["rows"] = Json::array();
  for (const VectorsRow& row : report.codecs) {
    Json recall = Json::object();
    for (std::size_t i = 0; i < report.k.size(); ++i) recall[fmt::format("1@{}", report.k[i])] = finite(row.recall[i]);
    json["rows"].push_back({{"codec", row.codec},
                            {"bits", row.bits},
                            {"bytes_per_vector", row.bytes_per_vector},
                            {"mse", finite(row.mse)},
                            {"ip_bias", finite(row.ip_bias)},
                            {"ip_var_d", finite(row.ip_var_d)},
                            {"recall", recall},
                            {"encode_vps", finite(row.encode_vps)},
                            {"scan_qps", finite(row.scan_qps)},
                            {"single_qps", finite(row.single_qps)},
                            {"index_bytes_per_vector", row.index_bytes_per_vector},
                            {"build_seconds", finite(row.build_seconds)}});
  }
  return eval::text_of(json);
}

std::string to_table(const VectorsReport& report) {
  std::size_t width = 5;
  for (const VectorsRow& row : report.codecs) width = std::max(width, row.codec.size());
  std::string table = fmt::format("{:<{}}  {:>6}  {:>7}  {:>9}  {:>8}  {:>8}", "codec", width, "bits", "bytes", "mse",
                                  "ip bias", "d·ip var");
  for (const std::size_t k : report.k) table += fmt::format("  {:>6}", fmt::format("1@{}", k));
  table += fmt::format("  {:>8}  {:>7}  {:>8}\n", "encode/s", "scan/s", "single/s");
  for (const VectorsRow& row : report.codecs) {
    table += fmt::format("{:<{}}  {:>6.3f}  {:>7.1f}  {:>9.3g}  {:>+8.4f}  {:>8.3g}", row.codec, width, row.bits,
                         row.bytes_per_vector, row.mse, row.ip_bias, row.ip_var_d);
    for (const double recall : row.recall) table += fmt::format("  {:>6.3f}", recall);
    table += fmt::format("  {:>8}  {:>7}  {:>8}\n", rate(row.encode_vps), rate(row.scan_qps), rate(row.single_qps));
  }
  const std::string against =
      report.leave_one_out ? "each of them a vector, looked for among the others" : "from a set of their own";
  return table + fmt::format("{} vectors of {} values, scaled to length 1; {} queries, {}; one thread\n", report.rows,
                             report.dim, report.queries, against);
}

}  // namespace tq
