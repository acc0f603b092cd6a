// From options to a report: what is opened, what is run (evaluation.h), what is told.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <system_error>

#include "base/bytes.h"
#include "base/file.h"
#include "eval/evaluation.h"
#include "eval/evaluation_origin.h"
#include "eval/levels.h"
#include "eval/provenance.h"
#include "eval/row_pairs.h"

namespace tq {
namespace {

using eval::Evaluation;
using eval::Lane;
using eval::Windows;

/// A base file that is read, and its bytes.
struct OpenBase {
  MappedFile file;
  KldBase base;
};

Result<OpenBase> open_base(const std::string& path, std::size_t vocab_size) {
  Result<MappedFile> file = MappedFile::open(path);
  if (!file) return std::unexpected(file.error());
  Result<KldBase> base = KldBase::parse(file->bytes(), path);
  if (!base) return std::unexpected(base.error());
  if (base->shape().vocab_size != vocab_size)
    return fail(ErrorCode::kUsage, fmt::format("{}: it was made for a vocabulary of {} tokens, and the model has {}",
                                               path, base->shape().vocab_size, vocab_size));
  return OpenBase{std::move(*file), std::move(*base)};
}

Result<void> restore_from(const std::string& path, const eval::CheckpointLimits& limits, Evaluation& evaluation) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return {};
  const Result<MappedFile> file = MappedFile::open(path);
  if (!file) return std::unexpected(file.error());
  Result<eval::EvalState> state = eval::parse_checkpoint(file->bytes(), path, limits);
  if (!state) return std::unexpected(state.error());
  evaluation.restore(std::move(*state));
  return {};
}

/// All that is looked at and opened before anything runs.
struct Subject {
  EvalOptions options;
  std::optional<OpenBase> base_in;
  Windows windows;
  std::vector<Lane> lanes;  // the base, and then the rows
  std::optional<KldBaseWriter> base_out;
  std::string base_name, text_sha256;
};

Result<Subject> open_subject(const std::shared_ptr<const TensorFile>& file, const Tokenizer& tokenizer,
                             std::string_view text, const EvalOptions& given) {
  const Result<ModelConfig> config = read_model_config(*file);
  if (!config) return std::unexpected(config.error());
  Subject subject{given, {}, {}, {}, {}, {}, {}};
  EvalOptions& options = subject.options;
  if (!options.read_kld_base.empty()) {
    Result<OpenBase> opened = open_base(options.read_kld_base, config->vocab_size);
    if (!opened) return std::unexpected(opened.error());
    subject.base_in.emplace(std::move(*opened));
    options.context = subject.base_in->base.shape().context;
  }
  const Result<eval::Levels> levels =
      eval::parse_levels({options.weights, options.kv, options.base_kv, options.context, options.seed}, *config);
  if (!levels) return std::unexpected(levels.error());
  Result<Windows> windows =
      subject.base_in ? eval::windows_of(subject.base_in->base.tokens(), tokenizer, options.context, options.chunks)
                      : eval::cut_windows(text, tokenizer, config->vocab_size, options.context, options.chunks);
  if (!windows) return std::unexpected(windows.error());
  subject.windows = std::move(*windows);
  Result<std::vector<Lane>> lanes = eval::load_lanes(file, *levels, options.threads);
  if (!lanes) return std::unexpected(lanes.error());
  subject.lanes = std::move(*lanes);
  if (!options.write_kld_base.empty()) {
    Result<KldBaseWriter> created = KldBaseWriter::create(
        options.write_kld_base, {options.context, config->vocab_size, subject.windows.count()}, subject.windows.tokens);
    if (!created) return std::unexpected(created.error());
    subject.base_out.emplace(std::move(*created));
  }
  subject.base_name = subject.base_in ? options.read_kld_base : levels->base.name();
  subject.text_sha256 =
      eval::sha256_hex(subject.base_in ? as_text(std::as_bytes(std::span(subject.windows.tokens))) : text);
  return subject;
}

void describe_settings(const Subject& subject, const Evaluation& evaluation, std::string text_name,
                       EvalReport& report) {
  const std::size_t windows = evaluation.scored_windows();
  report.settings = {subject.base_in ? "the tokens of " + subject.options.read_kld_base : std::move(text_name),
                     subject.text_sha256,
                     subject.base_name,
                     subject.options.decode ? "decode" : "prefill",
                     subject.options.context,
                     windows,
                     windows * subject.windows.scored_per_window(),
                     evaluation.continuations(),
                     evaluation.continuation_tokens(),
                     subject.options.seed};
}

void collect_figures(const Subject& subject, const Evaluation& evaluation, EvalReport& report) {
  const Comparison::Summary floor = evaluation.floor();
  report.noise_floor = {floor.tokens, floor.kld_mean, floor.kld_max};
  const std::size_t first_scored = subject.windows.first_scored();
  report.base = subject.lanes.front().row(first_scored);
  if (subject.base_in) eval::forget_base(report.base);
  std::vector<const Comparison*> texts;
  for (const Lane& lane : std::span(subject.lanes).subspan(1)) {
    report.rows.push_back(lane.row(first_scored));
    texts.push_back(&lane.record().text);
  }
  report.pairs = eval::pairs_of(texts);
}

}  // namespace

Result<EvalReport> evaluate(std::shared_ptr<const TensorFile> file, const Tokenizer& tokenizer, std::string_view text,
                            std::string text_name, const EvalOptions& given, const Progress& progress) {
  Result<Subject> opened = open_subject(file, tokenizer, text, given);
  if (!opened) return std::unexpected(opened.error());
  Subject& subject = *opened;
  const EvalOptions& options = subject.options;
  const std::shared_ptr<ThreadPool> threads = make_thread_pool(options.threads);
  Evaluation evaluation(
      options, subject.windows, subject.lanes, {.context = options.context, .threads = threads},
      {subject.base_in ? &subject.base_in->base : nullptr, subject.base_out ? &*subject.base_out : nullptr});
  eval::Keeper keeper(options.resume, options.resume.empty()
                                          ? ""
                                          : eval::describe_evaluation(options, subject.windows, subject.lanes,
                                                                      {subject.text_sha256, subject.base_name}));
  if (keeper.keeps()) {
    const eval::CheckpointLimits limits = {keeper.description(),
                                           subject.lanes.size(),
                                           subject.lanes.front().vocab_size(),
                                           evaluation.continuations(),
                                           evaluation.continuation_length(),
                                           subject.windows.count(),
                                           subject.windows.scored_per_window()};
    if (Result<void> restored = restore_from(options.resume, limits, evaluation); !restored)
      return std::unexpected(restored.error());
  }
  EvalReport report;
  report.machine = eval::describe_machine(*threads);
  const Result<void> done = evaluation.run(tokenizer.eos(), progress, keeper);
  report.partial = !done && done.error().code == ErrorCode::kInterrupted && evaluation.scored_windows() > 0;
  if (!done && !report.partial) return std::unexpected(done.error());
  if (subject.base_out && !report.partial) {
    if (Result<void> committed = subject.base_out->commit(); !committed) return std::unexpected(committed.error());
  }
  report.model = eval::describe(subject.lanes.front().model(), *file);
  describe_settings(subject, evaluation, std::move(text_name), report);
  collect_figures(subject, evaluation, report);
  return report;
}

}  // namespace tq
