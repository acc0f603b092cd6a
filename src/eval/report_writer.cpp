#include "eval/report_writer.h"

#include <cmath>

namespace tq::eval {

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json report_head(const char* schema, const decltype(EvalReport::model)& model,
                 const decltype(EvalReport::machine)& machine) {
  return {{"schema", schema},
          {"model",
           {{"name", model.name},
            {"architecture", model.architecture},
            {"parameters", model.parameters},
            {"file_bytes", model.file_bytes}}},
          {"machine",
           {{"cpu", machine.cpu},
            {"simd", machine.simd},
            {"threads", machine.threads},
            {"peak_rss_per_row", machine.peak_rss_per_row}}}};
}

Json row_head(const EvalRow& level) {
  Json json = {{"weights", level.weights}, {"kv", level.kv}};
  if (!level.kv_reason.empty()) json["kv_reason"] = level.kv_reason;
  json.update({{"weights_bpw_linear", finite(level.weights_bpw_linear)},
               {"kv_bits_k", finite(level.kv_bits_k)},
               {"kv_bits_v", finite(level.kv_bits_v)},
               {"weights_bytes", level.weights_bytes},
               {"kv_bytes", level.kv_bytes},
               {"peak_rss_bytes", level.peak_rss_bytes}});
  return json;
}

std::string text_of(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace); }

}  // namespace tq::eval
