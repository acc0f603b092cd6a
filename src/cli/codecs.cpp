// tq codecs: the table of codecs, for people and for scripts.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "turboquant/codec.h"

namespace tq::cli {
namespace {

/// True bits of a value in rows of `dim`; nothing where the codec cannot code such rows.
std::string true_bits(const std::string& name, std::size_t dim) {
  const auto codec = make_codec(*CodecSpec::parse(name), dim);
  return codec ? fmt::format("{:.4g}", (*codec)->bits_per_value()) : "-";
}

std::string to_table(std::size_t dim) {
  std::string table = fmt::format("codec                        true bits      what it is\n");
  for (const CodecRange& range : codec_ranges()) {
    std::string bits = true_bits(range.first, dim);
    if (range.first != range.last) bits += " to " + true_bits(range.last, dim);
    table += fmt::format("{:<28} {:<14} {}\n", range.names, bits, range.about);
  }
  return table +
         fmt::format("\nTrue bits count scales and all, in rows of {} values; - where a codec has no such rows.\n",
                     dim);
}

std::string to_json(std::size_t dim) {
  nlohmann::ordered_json json;
  json["dim"] = dim;
  json["codecs"] = nlohmann::ordered_json::array();
  for (const std::string& name : codec_names()) {
    const auto codec = make_codec(*CodecSpec::parse(name), dim);
    json["codecs"].push_back(
        {{"codec", name}, {"bits", codec ? nlohmann::ordered_json((*codec)->bits_per_value()) : nullptr}});
  }
  return json.dump(2);
}

}  // namespace

Result<void> codecs_command(const Arguments& arguments) {
  CommandLine line({.name = "codecs",
                    .summary = "the names of all codecs, and the true bits of each",
                    .usage = "[options]",
                    .examples = {"", "--dim 128 --json -"}});
  std::size_t dim = 256;
  std::string json;
  line.add(dim, {.names = "--dim",
                 .help = "values in a row (default 256)",
                 .value = "N",
                 .group = kInputGroup,
                 .check = whole_number(1, 4096)});
  add_json_option(line, json);
  const Result<bool> go_on = line.parse(arguments);
  if (!go_on) return std::unexpected(go_on.error());
  if (!*go_on) return {};
  if (Result<void> writable = check_json_path(json); !writable) return writable;
  if (json != "-") fmt::print("{}", to_table(dim));
  return json.empty() ? Result<void>{} : write_json(to_json(dim), json);
}

}  // namespace tq::cli
