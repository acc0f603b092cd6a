// tq quantize and tq export: a model file from another, compressed or plain.
#include "turboquant/quantize.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/arguments.h"
#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/printable.h"
#include "cli/progress_bar.h"
#include "cli/units.h"
#include "turboquant/plan.h"
#include "turboquant/size_target.h"

namespace tq::cli {
namespace {

struct FileChoice {
  std::string input, output, json, calibrate, imatrix, tokenizer, plan, text, size;
  std::string candidates = "tt2,tt3,tt4,tt5,tq6,tq7,tq8,tq9";
  std::optional<double> bits;
  std::vector<std::string> tensor_types;
  bool dry_run = false, every_tensor = false;
  EngineChoice engine;
  QuantizeOptions options;
  CalibrationText calibration;
  std::size_t chunks = 64;

  bool has_target() const { return bits || !size.empty(); }
};

void add_calibration(CommandLine& line, FileChoice& choice) {
  line.add(choice.plan, {.names = "--plan",
                         .help = "what 'tq plan' wrote: a codec for each matrix",
                         .value = "FILE",
                         .group = kCompressionGroup});
  line.add(choice.calibrate,
           {.names = "--calibrate",
            .help = "a text like what the model will read: codes of tq and tt\nare chosen for what the "
                    "layers make of it",
            .value = "FILE",
            .group = kCompressionGroup});
  line.add(choice.imatrix, {.names = "--imatrix",
                            .help = "what 'tq imatrix' or llama-imatrix wrote: columns of tq and\ntt that matter are "
                                    "stretched; --calibrate gains more",
                            .value = "FILE",
                            .group = kCompressionGroup});
  line.add(choice.calibration.context, {.names = "-c,--ctx-size",
                                        .help = "window of the calibration in tokens (default 512)",
                                        .value = "N",
                                        .group = kCompressionGroup,
                                        .check = whole_number(3, 1 << 20)});
  line.add(choice.chunks, {.names = "--chunks",
                           .help = "windows of it (default 64; 0: all that the text has)",
                           .value = "N",
                           .group = kCompressionGroup,
                           .check = whole_number(0, 1 << 30)});
  line.add(choice.tokenizer, {.names = "--tokenizer",
                              .help = "tokenizer.json, tokenizer.bin or GGUF, where the model has none",
                              .value = "FILE",
                              .group = kInputGroup});
}

void add_target(CommandLine& line, FileChoice& choice) {
  line.add(choice.bits,
           {.names = "--target-bpw",
            .help = "in place of --type: mixed widths of so many true bits\na weight in the matrices of the layers",
            .value = "X",
            .group = kCompressionGroup,
            .check = number(0.5, 32)});
  line.add(choice.size, {.names = "--target-size",
                         .help = "the same for a file of this size, as in 1.5GiB",
                         .value = "SIZE",
                         .group = kCompressionGroup});
  line.add(choice.text,
           {.names = "-f,--file",
            .help = "measure on this text what each matrix needs; without\nit on that of --calibrate, or by rule",
            .value = "FILE",
            .group = kCompressionGroup});
  line.add(choice.candidates,
           {.names = "--candidates",
            .help = "codecs to mix, from the narrowest to the widest\n(default tt2,tt3,tt4,tt5,tq6,tq7,tq8,tq9)",
            .value = "LIST",
            .group = kCompressionGroup});
}

void add_options(CommandLine& line, FileChoice& choice, const std::string& type_help) {
  line.add(choice.input, {.names = "input_path", .group = kHidden});
  line.add(choice.output, {.names = "output_path", .group = kHidden});
  line.add(choice.options.type, {.names = "--type", .help = type_help, .value = "SPEC", .group = kCompressionGroup});
  line.add(
      choice.tensor_types,
      {.names = "--tensor-type",
       .help = "SPEC, or keep, for every matrix in whose name REGEX\nmatches; may be repeated, the last match counts",
       .value = "REGEX=SPEC",
       .group = kCompressionGroup});
  line.add(choice.dry_run, {.names = "--dry-run", .help = "say what would be written", .group = kOutputGroup});
  line.add(choice.every_tensor, {.names = "--tensors", .help = "list every tensor", .group = kOutputGroup});
  line.add(choice.options.replace,
           {.names = "--force", .help = "replace the output if it exists", .group = kOutputGroup});
  choice.engine.add_to(line);
  add_json_option(line, choice.json);
}

Result<void> check_target(const FileChoice& choice) {
  const int asked = (choice.bits ? 1 : 0) + (choice.size.empty() ? 0 : 1) + (choice.options.type.empty() ? 0 : 1) +
                    (choice.plan.empty() ? 0 : 1);
  if (choice.has_target() && asked > 1)
    return fail(ErrorCode::kUsage, "give one of --type, --plan, --target-bpw and --target-size");
  if (!choice.has_target() && !choice.text.empty())
    return fail(ErrorCode::kUsage,
                "--file is the text that --target-bpw or --target-size measures with; give one of them");
  if (choice.has_target() && choice.calibrate == "-" && (choice.text.empty() || choice.text == "-"))
    return fail(ErrorCode::kUsage, "standard input can be read once; give --file a file of its own");
  return {};
}

/// What each group of matrices costs; nothing without a text.
Result<std::vector<PlanGroup>> measure_groups(const FileChoice& choice, const std::shared_ptr<const TensorFile>& file,
                                              const std::vector<std::string>& codecs) {
  const std::string& text_path = choice.text.empty() ? choice.calibrate : choice.text;
  if (text_path.empty()) return std::vector<PlanGroup>{};
  const auto tokenizer = ModelChoice{choice.input, choice.tokenizer}.open_tokenizer(*file);
  if (!tokenizer) return std::unexpected(tokenizer.error());
  const Result<std::string> text = read_text(text_path);
  if (!text) return std::unexpected(text.error());
  MeasureOptions options{
      .codecs = codecs, .calibration = choice.options.calibration, .threads = choice.options.threads};
  ProgressBar bar("plan");
  Result<Plan> plan = measure_plan(file, **tokenizer, *text, options, [&](std::uint64_t done, std::uint64_t total) {
    bar.update(done, total);
    return !interrupted();
  });
  if (!plan) return std::unexpected(plan.error());
  return std::move(plan->groups);
}

/// Fills the plan of the options for --target-bpw and --target-size.
Result<void> plan_target(FileChoice& choice, const std::shared_ptr<const TensorFile>& file) {
  Result<std::vector<std::string>> codecs = split_list(choice.candidates, "--candidates");
  if (!codecs) return std::unexpected(codecs.error());
  SizeTarget target{.codecs = std::move(*codecs), .bits = choice.bits};
  if (!choice.size.empty()) {
    const Result<std::uint64_t> bytes = parse_bytes(choice.size, "--target-size");
    if (!bytes) return std::unexpected(bytes.error());
    target.file_bytes = *bytes;
  }
  auto types = plan_for_target(*file, target, choice.options);  // what is impossible is refused before the measurement
  if (!types) return std::unexpected(types.error());
  Result<std::vector<PlanGroup>> groups = measure_groups(choice, file, target.codecs);
  if (!groups) return std::unexpected(groups.error());
  if (!groups->empty()) types = plan_for_target(*file, target, choice.options, std::move(*groups));
  if (!types) return std::unexpected(types.error());
  choice.options.plan = std::move(*types);
  return {};
}

Result<void> check(FileChoice& choice, std::string_view command) {
  if (choice.input.empty() || (choice.output.empty() && !choice.dry_run))
    return fail(ErrorCode::kUsage,
                fmt::format("name the model to read and the file to write: tq {} IN OUT --type SPEC", command));
  Result<std::vector<TensorTypeRule>> rules = parse_tensor_types(choice.tensor_types);
  if (!rules) return std::unexpected(rules.error());
  choice.options.tensor_types = std::move(*rules);
  if (!choice.plan.empty()) {
    Result<Plan> plan = read_plan(choice.plan);
    if (!plan) return fail(std::move(plan));
    if (plan->tensors.empty())
      return fail(ErrorCode::kUsage,
                  fmt::format("{}: the plan says nothing about weights, and a model file has no cache", choice.plan));
    choice.options.plan = std::move(plan->tensors);
  }
  if (choice.options.type.empty() && choice.options.tensor_types.empty() && choice.plan.empty() && !choice.has_target())
    return fail(ErrorCode::kUsage,
                fmt::format("--type says how to store the weights; tq {} --help explains it", command));
  if (Result<void> checked = check_target(choice); !checked) return checked;
  choice.options.threads = choice.engine.thread_count();
  return check_json_path(choice.json);
}

std::string error_text(double error) { return std::isfinite(error) ? fmt::format("{:.3g}", error) : "-"; }

void print_tensors(const QuantizeReport& report) {
  std::size_t widest = 6;
  for (const QuantizedTensor& tensor : report.tensors) widest = std::max(widest, one_line(tensor.name).size());
  fmt::print("{:<{}}  {:<14} {:<9} {:<9} {:>10} {:>10} {:>7} {:>9}\n", "tensor", widest, "shape", "from", "to", "size",
             "before", "bits", "error");
  for (const QuantizedTensor& tensor : report.tensors) {
    fmt::print("{:<{}}  {:<14} {:<9} {:<9} {:>10} {:>10} {:>7.3f} {:>9}{}{}\n", one_line(tensor.name), widest,
               fmt::format("{}", fmt::join(tensor.shape, " x ")), tensor.source_type, tensor.type,
               bytes_text(tensor.output_bytes), bytes_text(tensor.input_bytes), tensor.bits(),
               error_text(tensor.relative_error), tensor.note.empty() ? "" : "  ", tensor.note);
  }
}

void print_types(const QuantizeReport& report) {
  struct Sum {
    std::size_t tensors = 0;
    std::uint64_t values = 0, before = 0, after = 0;
    double error = 0;
  };
  std::map<std::pair<std::string, std::string>, Sum> types;
  for (const QuantizedTensor& tensor : report.tensors) {
    Sum& sum = types[{tensor.source_type, tensor.type}];
    ++sum.tensors;
    sum.values += tensor.elements();
    sum.before += tensor.input_bytes;
    sum.after += tensor.output_bytes;
    sum.error += tensor.relative_error * static_cast<double>(tensor.elements());
  }
  fmt::print("{:<9} {:<9} {:>7} {:>10} {:>10} {:>7} {:>9}   (--tensors lists each)\n", "from", "to", "tensors", "size",
             "before", "bits", "error");
  for (const auto& [type, sum] : types) {
    const auto values = static_cast<double>(sum.values);
    fmt::print("{:<9} {:<9} {:>7} {:>10} {:>10} {:>7.3f} {:>9}\n", type.first, type.second, sum.tensors,
               bytes_text(sum.after), bytes_text(sum.before), 8.0 * static_cast<double>(sum.after) / values,
               error_text(sum.error / values));
  }
}

void print_fallbacks(const QuantizeReport& report) {
  std::map<std::string, std::size_t> notes;
  for (const QuantizedTensor& tensor : report.tensors) {
    if (!tensor.note.empty()) ++notes[fmt::format("{}: stored as {}", tensor.note, tensor.type)];
  }
  for (const auto& [note, count] : notes) fmt::print("{} tensor{}: {}\n", count, count == 1 ? "" : "s", note);
}

void print_report(const QuantizeReport& report, bool every_tensor, bool dry_run) {
  if (every_tensor) {
    print_tensors(report);
  } else {
    print_types(report);
    print_fallbacks(report);
  }
  fmt::print("\n{} to {}, {:.3f} bits a weight, {:.3f} in the matrices of the layers{}\n",
             bytes_text(report.input_bytes), bytes_text(report.output_bytes), report.bpw, report.bpw_linear,
             dry_run ? "; nothing was written" : fmt::format(", {:.1f} s", report.seconds));
}

/// GGUF has a key for tokenizer.json and none for other files of a tokenizer.
void warn_of_lost_tokenizer(const std::string& input) {
  std::error_code error;
  const std::filesystem::path folder = input;
  if (!std::filesystem::is_directory(folder, error) || std::filesystem::exists(folder / "tokenizer.json", error))
    return;
  fmt::print(
      stderr,
      "tq: {}: there is no tokenizer.json, and no other tokenizer goes into the file; name this one with --tokenizer "
      "where the file is used\n",
      one_line(input));
}

std::string to_json(const QuantizeReport& report, const FileChoice& choice) {
  nlohmann::ordered_json json;
  json["schema"] = "turboquant.quantize/1";
  json["input"] = choice.input;
  json["output"] = choice.dry_run ? nlohmann::ordered_json() : nlohmann::ordered_json(choice.output);
  json["type"] = choice.options.type;
  json["bpw"] = report.bpw;
  json["bpw_linear"] = report.bpw_linear;
  json["input_bytes"] = report.input_bytes;
  json["output_bytes"] = report.output_bytes;
  json["seconds"] = report.seconds;
  json["peak_rss_bytes"] = peak_memory();
  json["tensors"] = nlohmann::ordered_json::array();
  for (const QuantizedTensor& tensor : report.tensors) {
    const bool known = std::isfinite(tensor.relative_error);
    json["tensors"].push_back(
        {{"name", tensor.name},
         {"shape", tensor.shape},
         {"source_type", tensor.source_type},
         {"type", tensor.type},
         {"bytes", tensor.output_bytes},
         {"bits", tensor.bits()},
         {"relative_error", known ? nlohmann::ordered_json(tensor.relative_error) : nullptr},
         {"output_error", std::isfinite(tensor.output_error) ? nlohmann::ordered_json(tensor.output_error) : nullptr},
         {"note", tensor.note}});
  }
  return json_text(json);
}

Result<void> write_file(CommandLine& line, FileChoice& choice, const Arguments& arguments, const std::string& command) {
  const Result<bool> go_on = line.parse(arguments);
  if (!go_on) return std::unexpected(go_on.error());
  if (!*go_on) return {};
  if (Result<void> checked = check(choice, command); !checked) return checked;
  const auto file = TensorFile::open(choice.input);
  if (!file) return std::unexpected(file.error());
  if (!choice.imatrix.empty()) {
    Result<ImportanceMatrix> read = read_imatrix(choice.imatrix);
    if (!read) return std::unexpected(read.error());
    choice.options.importance = std::make_shared<const ImportanceMatrix>(std::move(*read));
  }
  ProgressBar reading("calibrate");
  choice.calibration.progress = [&](std::size_t, std::uint64_t done, std::uint64_t total) {
    reading.update(done, total);
    return !interrupted();
  };
  if (!choice.calibrate.empty()) {
    Result<std::shared_ptr<const CalibrationText>> read =
        read_calibration(choice.calibrate, **file, {choice.input, choice.tokenizer}, choice.chunks, choice.calibration);
    if (!read) return fail(std::move(read));
    choice.options.calibration = std::move(*read);
  }
  if (choice.has_target()) {
    if (Result<void> planned = plan_target(choice, *file); !planned) return planned;
  }
  ProgressBar bar(command, Counted::kBytes);
  const auto progress = [&](const QuantizedTensor&, std::uint64_t done, std::uint64_t total) {
    bar.update(done, total);
    return !interrupted();
  };
  const Result<QuantizeReport> report = choice.dry_run ? plan_quantize(**file, choice.options)
                                                       : quantize(**file, choice.output, choice.options, progress);
  if (!report) return std::unexpected(report.error());
  bar.clear();
  warn_of_lost_tokenizer(choice.input);
  if (choice.json != "-") print_report(*report, choice.every_tensor || choice.dry_run, choice.dry_run);
  return choice.json.empty() ? Result<void>{} : write_json(to_json(*report, choice), choice.json);
}

}  // namespace

Result<void> quantize_command(const Arguments& arguments) {
  CommandLine line({.name = "quantize",
                    .summary = "write a model with compressed weights to a file",
                    .usage = "IN OUT --type SPEC [options]",
                    .examples = {"model.gguf model.tt4.gguf --type tt4",
                                 "Llama-3.2-1B/ model.gguf --type tq3 --tensor-type 'attn_(k|v)=tq5'",
                                 "model.gguf model.gguf --type q4_k --tensor-type token_embd=q8_0 --dry-run"}});
  FileChoice choice;
  add_options(line, choice,
              "the codec ('tq codecs') of the matrices of the layers;\nembedding, output and norms keep their type");
  line.add(choice.options.resume, {.names = "--resume",
                                   .help = "go on from what a killed run of the same command has\nleft, and leave as "
                                           "much after Ctrl-C",
                                   .group = kOutputGroup});
  add_target(line, choice);
  add_calibration(line, choice);
  return write_file(line, choice, arguments, "quantize");
}

Result<void> export_command(const Arguments& arguments) {
  CommandLine line({.name = "export",
                    .summary = "write a model as a plain GGUF for other programs",
                    .usage = "IN OUT --type f16|q8_0|q4_0 [options]",
                    .examples = {"model.tt4.gguf model.f16.gguf --type f16", "Llama-3.2-1B/ model.gguf --type q8_0"}});
  FileChoice choice;
  choice.options.plain = true;
  add_options(
      line, choice,
      "the type of the matrices of the layers and of all\ncompressed tensors: f16, q8_0, q4_0 or another of GGUF");
  return write_file(line, choice, arguments, "export");
}

}  // namespace tq::cli
