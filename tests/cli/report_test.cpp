// Reports as files, and the page as a browser shows it: from disk, without a network.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "cli/process.h"
#include "cli/report_files.h"
#include "turboquant/compare.h"
#include "turboquant/tasks.h"

namespace tq::cli {
namespace {

using nlohmann::json;
using test::Outcome;
using test::read_file;
using test::TemporaryFolder;
using test::tq;
using test::tq_interrupted;

/// A report as `tq eval --json` writes it, small, with a name that would break out of a page that trusts it.
json small_report() {
  EvalReport report;
  report.model.name = "</script><img src=x onerror=\"document.title='broken out'\"> <b>model</b>";
  report.settings = {"a text", "00ff", "f32", "prefill", 512, 4, 1020, 0, 0, 1, "tq eval"};
  const std::pair<const char*, double> rows[] = {{"f16", 1.25e-7}, {"tq4", 0.0123}, {"tq2", 0.3456}, {"q4_0", 0.0234}};
  for (const auto& [kv, kld] : rows) {
    EvalRow& row = report.rows.emplace_back();
    row.weights = "f16";
    row.kv = kv;
    row.kv_bits_k = row.kv_bits_v = kv == std::string("f16") ? 16 : 4.25;
    row.kv_bytes = static_cast<std::uint64_t>(65536 * row.kv_bits_k);
    row.text.ppl = 4 + kld;
    row.text.ppl_ratio = 1 + kld;
    row.text.kld_mean = kld;
    row.text.kld_mean_se = kld / 10;
    row.text.top1_agreement = 1 - kld;
    row.decode_tps = std::numeric_limits<double>::quiet_NaN();
    row.kld_by_position = {{256, 384, kld}, {384, 511, 2 * kld}};
    for (const double layer : {1.0, 2.0}) {
      row.layers.push_back({{kld * layer, 0.5, kld * layer + 1},
                            {kld * layer, 0.25, kld * layer + 2},
                            {kld * layer, 0.125, kld * layer + 3},
                            {kld * layer, 0.0625, kld * layer + 4}});
    }
  }
  report.base = report.rows[0];
  for (std::size_t to = 1; to < report.rows.size(); ++to) {
    for (std::size_t from = 0; from < to; ++from)
      report.pairs.push_back(
          {from, to, {report.rows[to].text.kld_mean - report.rows[from].text.kld_mean, 0.005, 0.25, 0.5}});
  }
  std::ranges::sort(report.pairs, {}, [](const RowPair& pair) { return std::pair(pair.from, pair.to); });
  return json::parse(to_json(report));
}

std::string browser() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (std::system(("command -v " + std::string(name) + " >/dev/null 2>&1").c_str()) == 0) return name;
  }
  return "";
}

/// The document after its script has run, and the lines that the console got.
struct Shown {
  std::string document, console;
};
Shown show(const std::string& chromium, const TemporaryFolder& folder, const std::string& page,
           const std::string& flags = "") {
  const std::string out = (folder / "dom.html").string(), err = (folder / "browser.log").string();
  const std::string command =
      "timeout 100 " + chromium +
      " --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
      "--disable-component-update --disable-sync --disable-dev-shm-usage --host-resolver-rules='MAP * ~NOTFOUND' "
      "--enable-logging=stderr --virtual-time-budget=4000 " +
      flags + " --user-data-dir='" + (folder / "profile").string() + "' --dump-dom 'file://" + page + "' >'" + out +
      "' 2>'" + err + "'";
  if (std::system(command.c_str()) != 0) return {"", "the browser failed: " + read_file(err)};
  Shown shown{read_file(out), ""};
  std::istringstream lines(read_file(err));
  for (std::string line; std::getline(lines, line);) {
    if (line.find("CONSOLE") != std::string::npos) shown.console += line + "\n";
  }
  return shown;
}

/// field → the values of its cells, from the top row to the last, of the first table that has it.
std::map<std::string, std::vector<double>> cells_of(const std::string& document) {
  static const std::regex kCell("data-field=\"(\\w+)\" data-value=\"([^\"]+)\"");
  std::map<std::string, std::vector<double>> cells;
  for (std::sregex_iterator cell(document.begin(), document.end(), kCell), end; cell != end; ++cell)
    cells[(*cell)[1]].push_back(std::stod((*cell)[2]));
  return cells;
}

TEST(ReportPageInABrowser, ShowsTheFiguresOfTheJsonWithoutNetworkOrErrors) {
  const std::string chromium = browser();
  if (chromium.empty()) GTEST_SKIP() << "there is no Chromium here: install chromium to have the page looked at";
  const TemporaryFolder folder;
  const json report = small_report();
  const std::string in = folder.write("report.json", report.dump()), page = (folder / "page.html").string();
  ASSERT_EQ(tq({"report", in, "--html", page}).exit_code, 0);
  const Shown shown = show(chromium, folder, page);
  EXPECT_EQ(shown.console, "");
  ASSERT_NE(shown.document.find("data-drawn=\"1\""), std::string::npos)
      << shown.console << shown.document.substr(0, 2000);

  const auto cells = cells_of(shown.document);
  for (const char* field : {"kld_mean", "top1_agreement", "ppl", "ppl_ratio"}) {
    ASSERT_TRUE(cells.contains(field)) << field;
    ASSERT_EQ(cells.at(field).size(), report["rows"].size()) << field;
    for (std::size_t i = 0; i < report["rows"].size(); ++i)
      EXPECT_EQ(cells.at(field)[i], report["rows"][i][field].get<double>()) << field;
  }
  for (const char* field : {"kld_change", "nll_change"}) {
    ASSERT_TRUE(cells.contains(field)) << field;
    ASSERT_EQ(cells.at(field).size(), 6U) << "every pair once";
    for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(cells.at(field)[i], report["pairs"][i][field].get<double>()) << field;
  }
  EXPECT_NE(
      shown.document.find(
          "<td class=\"worse\" title=\"tq2 next to tq4: KLD +0.333 ± 0.005, ln perplexity +0.3 ± 0.5\">+0.33</td>"),
      std::string::npos)
      << "the map of rows against rows";
  EXPECT_FALSE(cells.contains("decode_tps")) << "what was not measured is no number";
  for (const std::string tensor : {"k", "v", "attention", "hidden"}) {
    for (const std::string figure : {"mae", "cosine", "relative_error"}) {
      const auto shown_figures = cells.find(tensor + "_" + figure);
      ASSERT_NE(shown_figures, cells.end()) << tensor << figure;
      std::vector<double> expected;
      for (const json& row : report["rows"]) {
        for (const json& layer : row["layers"]) expected.push_back(layer[tensor][figure]);
      }
      EXPECT_EQ(shown_figures->second, expected) << tensor << figure;
    }
  }
  EXPECT_NE(shown.document.find("aria-label=\"Relative error of hidden state\""), std::string::npos);
  for (const json& sentence : report["summary"]) {
    const std::string text = std::regex_replace(sentence.get<std::string>(), std::regex("<"), "&lt;");
    EXPECT_NE(shown.document.find("\">" + text + "</li>"), std::string::npos) << sentence;
  }
  EXPECT_NE(shown.document.find("0.0123 ± 0.0012"), std::string::npos) << "the cell as people read it";
}

/// A page that holds another in a frame, clicks every title of its table twice, and writes down what stands where then:
/// {title: [[names after a click], [names after another]]}.
constexpr const char* kClicks = R"(<!doctype html><iframe id="page" src="page.html"></iframe><pre id="orders"></pre>
<script>
const page = document.getElementById('page');
page.onload = () => {
  const table = page.contentDocument.querySelector('table.rows');
  const click = (button) => {
    button.click();
    return [...table.querySelectorAll('tbody th')].map((cell) => cell.textContent);
  };
  const orders = {};
  for (const button of table.querySelectorAll('thead button')) orders[button.textContent] = [click(button), click(button)];
  document.getElementById('orders').textContent = JSON.stringify(orders);
};
</script>)";

TEST(ReportPageInABrowser, AClickSortsTheTableByItsColumnAndAnotherTurnsItRound) {
  const std::string chromium = browser();
  if (chromium.empty()) GTEST_SKIP() << "there is no Chromium here: install chromium to have the page looked at";
  const TemporaryFolder folder;
  json report = small_report();
  report["rows"][3]["kld_p999"] = 0.5;  // of the others it was not measured
  for (int i = 0; i < 3; ++i) report["rows"][i]["kld_p999"] = nullptr;
  const std::string in = folder.write("report.json", report.dump());
  ASSERT_EQ(tq({"report", in, "--html", (folder / "page.html").string()}).exit_code, 0);
  const Shown shown = show(chromium, folder, folder.write("clicks.html", kClicks), "--allow-file-access-from-files");
  EXPECT_EQ(shown.console, "");
  const std::string open = "<pre id=\"orders\">";
  const std::size_t from = shown.document.find(open);
  ASSERT_NE(from, std::string::npos) << shown.document.substr(0, 2000);
  const std::string text = shown.document.substr(from + open.size());
  const json orders = json::parse(text.substr(0, text.find("</pre>")));
  const json by_kld = {"f16", "tq4", "q4_0", "tq2"}, worst_first = {"tq2", "q4_0", "tq4", "f16"};
  EXPECT_EQ(orders.at("KLD mean"), json({by_kld, worst_first}));
  EXPECT_EQ(orders.at("top-1 %"), json({worst_first, by_kld}));
  EXPECT_EQ(orders.at("cache"), json({{"f16", "q4_0", "tq2", "tq4"}, {"tq4", "tq2", "q4_0", "f16"}}));
  for (const json& order : orders.at("KLD 99.9 %")) EXPECT_EQ(order[0], "q4_0") << "what was not measured is last";
}

TEST(ReportPageInABrowser, ANameIsTextWhateverItLooksLike) {
  const std::string chromium = browser();
  if (chromium.empty()) GTEST_SKIP() << "there is no Chromium here: install chromium to have the page looked at";
  const TemporaryFolder folder;
  json hostile = small_report();
  const std::string bait = "<img src=x onerror=alert(1)><script>document.title='broken out'</script>";
  for (const char* field : {"text", "text_sha256", "base", "path", "command"}) hostile["settings"][field] = bait;
  for (const char* field : {"cpu", "simd"}) hostile["machine"][field] = bait;
  for (json& row : hostile["rows"]) row["kv"] = row["kv"].get<std::string>() + bait;
  const std::string in = folder.write("report.json", hostile.dump()), page = (folder / "page.html").string();
  ASSERT_EQ(tq({"report", in, in, "--html", page}).exit_code, 0);
  const Shown shown = show(chromium, folder, page);
  EXPECT_EQ(shown.console, "") << "a script that the policy stops would be named here";
  ASSERT_NE(shown.document.find("data-drawn=\"2\""), std::string::npos);
  EXPECT_EQ(shown.document.find("<img"), std::string::npos);
  EXPECT_EQ(shown.document.find("<title>broken out"), std::string::npos);
  EXPECT_NE(shown.document.find("&lt;img src=x"), std::string::npos) << "it is shown as what it is";
}

TEST(ReportPageInABrowser, TextsOfAModelAreTextAndTheirFirstDifferenceIsMarked) {
  const std::string chromium = browser();
  if (chromium.empty()) GTEST_SKIP() << "there is no Chromium here: install chromium to have the page looked at";
  const TemporaryFolder folder;
  const std::string bait = "<img src=x onerror=alert(1)></script><script>document.title='broken out'</script>";
  CompareReport report;
  report.prompt = report.model.name = report.command = bait;
  report.base.text = "a = 1\n" + bait;
  report.rows.resize(2);
  report.rows[0].text = report.base.text;
  report.rows[1].text = "a = 2\n" + bait;
  report.rows[1].first_divergence = 2;
  report.rows[1].level.kv = report.rows[1].level.weights = bait;
  report.rows[1].level.continuation.token_accuracy = 0.8125;
  const Shown shown = show(chromium, folder, folder.write("page.html", to_html(report)));
  EXPECT_EQ(shown.console, "");
  ASSERT_NE(shown.document.find("data-drawn=\"1\""), std::string::npos) << shown.document.substr(0, 2000);
  EXPECT_EQ(shown.document.find("<img"), std::string::npos);
  EXPECT_EQ(shown.document.find("<title>broken out"), std::string::npos);
  EXPECT_NE(shown.document.find("<span class=\"same\">a = </span><mark>2</mark>"), std::string::npos);
  EXPECT_NE(shown.document.find("<td>81.25</td>"), std::string::npos);
}

TEST(ReportPageInABrowser, AnswersToTasksAreThoseOfTheJson) {
  const std::string chromium = browser();
  if (chromium.empty()) GTEST_SKIP() << "there is no Chromium here: install chromium to have the page looked at";
  const TemporaryFolder folder;
  const std::string bait = "<img src=x onerror=alert(1)></script><script>document.title='broken out'</script>";
  TaskReport report;
  report.model.name = report.command = report.base = bait;
  report.tasks = {{"piqa", bait, "00ff", 200, 900, 0, 0.5}, {"lambada", bait, "00ee", 100, 150, 3, 0}};
  report.rows.resize(2);
  double next = 0.125;
  for (TaskRow* row : {&report.base_row, &report.rows[0], &report.rows[1]}) {
    row->level.weights = "f16";
    row->level.kv = row == &report.rows[0] ? bait : "tq2";
    for (int task = 0; task < 2; ++task) {
      TaskScore& score = row->scores.emplace_back();
      score.acc = {next, next / 8, 7, 3, next / 4};
      if (task == 0) score.acc_norm = score.acc;
      score.perplexity = 10 * next;
      score.ll_change = -next;
      score.ll_change_se = next / 2;
      next += 0.125;
    }
  }
  const Shown shown = show(chromium, folder, folder.write("page.html", to_html(report)));
  EXPECT_EQ(shown.console, "");
  ASSERT_NE(shown.document.find("data-drawn=\"1\""), std::string::npos) << shown.document.substr(0, 2000);
  EXPECT_EQ(shown.document.find("<img"), std::string::npos);
  EXPECT_EQ(shown.document.find("<title>broken out"), std::string::npos);
  const json written = json::parse(to_json(report));
  const auto cells = cells_of(shown.document);
  for (const char* field : {"acc", "acc_lost", "acc_gained", "acc_p", "acc_norm", "perplexity", "ll_change"}) {
    std::vector<double> expected;  // task by task, the base first
    for (std::size_t task = 0; task < 2; ++task) {
      for (const json& row : {written["base"], written["rows"][0], written["rows"][1]}) {
        const json& value = row["scores"][task][field];
        const bool of_base = row == written["base"] && std::string(field) != "acc" &&
                             std::string(field) != "acc_norm" && std::string(field) != "perplexity";
        if (value.is_number() && !of_base) expected.push_back(value);
      }
    }
    ASSERT_TRUE(cells.contains(field)) << field;
    EXPECT_EQ(cells.at(field), expected) << field;
  }
  EXPECT_NE(shown.document.find("12.50 ± 1.56"), std::string::npos) << "the cell as people read it";
  EXPECT_NE(shown.document.find("aria-label=\"Right answers of piqa\""), std::string::npos);
}

TEST(Report, EachFormIsWrittenAndNothingElse) {
  const TemporaryFolder folder;
  const std::string in = folder.write("report.json", small_report().dump());
  const Outcome outcome = tq({"report", in, in, "--html", (folder / "page.html").string(), "--markdown",
                              (folder / "page.md").string(), "--json", (folder / "both.json").string()});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(folder.count_files(), 4U);
  EXPECT_TRUE(read_file(folder / "page.html").starts_with("<!doctype html>"));
  EXPECT_TRUE(read_file(folder / "page.md").starts_with("### "));
  EXPECT_EQ(json::parse(read_file(folder / "both.json"))["reports"].size(), 2U);
  EXPECT_NE(outcome.out.find("q4_0"), std::string::npos) << "a table for the terminal";
  EXPECT_EQ(tq({"report", in, "--markdown", "-"}).out.find("### "), 0U);
}

TEST(Report, WhatIsNoReportIsRefusedInOneSentence) {
  const TemporaryFolder folder;
  const std::pair<std::string, const char*> files[] = {
      {"GGUF\x03", "JSON is broken"},
      {"{\"schema\":\"turboquant.vectors/1\"}", "turboquant.vectors/1"},
      {"{\"schema\":\"turboquant.eval/1\",\"rows\":3}", "rows"}};
  const std::string sound = folder.write("sound.json", small_report().dump());
  for (const auto& [text, words] : files) {
    const std::string bad = folder.write("bad.json", text);
    const Outcome outcome = tq({"report", sound, bad, "--html", (folder / "page.html").string()});
    EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
    EXPECT_NE(outcome.err.find("bad.json: "), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
    EXPECT_EQ(folder.count_files(), 2U) << "no page of half the reports";
  }
  EXPECT_EQ(tq({"report"}).exit_code, 2);
  EXPECT_EQ(tq({"report", "/nonexistent/a.json"}).exit_code, 1);
}

TEST(Report, ATerminalIsNotAtTheMercyOfAName) {
  const TemporaryFolder folder;
  json hostile = small_report();
  hostile["machine"]["cpu"] = "\x1b]0;title\x07\x1b[2J";
  hostile["model"]["name"] = "a\x1b[2J";
  const Outcome outcome = tq({"report", folder.write("report.json", hostile.dump())});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
}

TEST(Report, WhatWouldBeOverwrittenIsLookedAt) {
  const TemporaryFolder folder;
  const std::string in = folder.write("report.json", small_report().dump());
  for (const char* option : {"--html", "--markdown", "--json"}) {
    const Outcome outcome = tq({"report", in, option, folder.write("model.gguf", "GGUF\x03")});
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    EXPECT_NE(outcome.err.find(option), std::string::npos) << outcome.err;
  }
  EXPECT_EQ(tq({"report", in, "--html", "-", "--markdown", "-"}).exit_code, 2);
}

TEST(EvalReportFiles, APageOfARunHoldsItsJsonAndTheCommandThatRepeatsIt) {
  const TemporaryFolder folder;
  const std::string path = (folder / "report.json").string(), page = (folder / "page.html").string();
  const Outcome outcome = tq({"eval", "-c", "64", "--chunks", "2", "--kv", "f16,tq2", "--json", path, "--html=" + page,
                              "--markdown", (folder / "page.md").string()});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = json::parse(read_file(path));
  EXPECT_EQ(report["settings"]["command"], "tq eval -c 64 --chunks 2 --kv f16,tq2");
  EXPECT_FALSE(report["partial"].get<bool>());
  EXPECT_EQ(report["rows"][1]["kld_by_position"].size(), 16U);
  EXPECT_NE(read_file(page).find(report["settings"]["text_sha256"].get<std::string>()), std::string::npos);
}

TEST(EvalReportFiles, CtrlCWritesTheWindowsThatWereComplete) {
  const TemporaryFolder folder;
  const std::string path = (folder / "report.json").string();
  // Five sixths of the bar: the continuations are half of the work, so windows are complete by then. Scalar kernels
  // take long enough for the bar to be drawn on the way.
  const Outcome outcome =
      tq_interrupted({"eval", "-c", "16", "--chunks", "4", "--kv", "tq4", "--json", path}, "[####################",
                     SIGINT, {.environment = {"TERM=xterm", "TQ_SIMD=scalar"}, .terminal = test::Stream::kErr});
  EXPECT_EQ(outcome.exit_code, 130) << outcome.err;
  const json report = json::parse(read_file(path));
  EXPECT_TRUE(report["partial"].get<bool>());
  const auto windows = report["settings"]["chunks"].get<std::size_t>();
  EXPECT_GT(windows, 0U);
  EXPECT_LT(windows, 4U);
  EXPECT_EQ(report["settings"]["scored_tokens"], windows * 7);
  EXPECT_TRUE(report["rows"][0]["kld_mean"].is_number());
}

TEST(RerunLine, QuotesWhatAShellWouldReadOtherwise) {
  EXPECT_EQ(
      rerun_line("eval", {"-f", "my text.txt", "--kv", "f16,q4_0+rotate=on", "--json", "x", "--html=y", "-t", "2"}),
      "tq eval -f 'my text.txt' --kv f16,q4_0+rotate=on -t 2");
  EXPECT_EQ(rerun_line("eval", {"-f", "it's; rm"}), "tq eval -f 'it'\\''s; rm'");
}

}  // namespace
}  // namespace tq::cli
