#include "lockstep/sweep/summary.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <numbers>
#include <set>

#include "lockstep/core/text.hpp"
#include "lockstep/io/atomic_file.hpp"
#include "lockstep/sweep/ledger.hpp"
#include "lockstep/train/epoch_table.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> result_metrics{"loss",         "accuracy",  "val_loss",
                                              "val_accuracy", "test_loss", "test_accuracy"};

/// A text as a cell (RFC 4180).
std::string quoted_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string cell = "\"";
  for (const char c : text) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
  return cell + '"';
}

std::string csv_line(const std::vector<std::string>& texts) {
  std::vector<std::string> cells;
  for (const std::string& text : texts) cells.push_back(quoted_cell(text));
  return join(cells, ",") + "\n";
}

/// What is known of every trial of the plan, in its order; trials with equal configs have one record.
std::vector<TrialRecord> read_records(const SweepPlan& plan, const Ledger& ledger,
                                      const std::function<void()>& after_each) {
  std::map<std::string, TrialRecord> by_digest;
  std::vector<TrialRecord> records;
  for (const Trial& trial : plan.trials) {
    if (!by_digest.contains(trial.digest)) by_digest[trial.digest] = ledger.read(trial.digest);
    records.push_back(by_digest[trial.digest]);
    after_each();
  }
  return records;
}

/// A combination of all settings but those that means are taken over.
using Cell = std::vector<std::string>;

bool is_over(const SweepPlan& plan, const std::string& key) {
  const std::vector<std::string>& over = plan.spec.over;
  return std::find(over.begin(), over.end(), key) != over.end();
}

Cell cell_of(const SweepPlan& plan, const Trial& trial) {
  Cell cell;
  for (const auto& [key, text] : trial.point.settings) {
    if (!is_over(plan, key)) cell.push_back(text);
  }
  return cell;
}

using RecordsByCell = std::map<Cell, std::vector<const TrialRecord*>>;

RecordsByCell records_by_cell(const SweepPlan& plan, const std::vector<TrialRecord>& records) {
  RecordsByCell members;
  for (std::size_t i = 0; i < records.size(); ++i)
    members[cell_of(plan, plan.trials[i])].push_back(&records[i]);
  return members;
}

std::size_t count_of(TrialStatus status, const std::vector<const TrialRecord*>& trials) {
  return static_cast<std::size_t>(std::count_if(
      trials.begin(), trials.end(), [&](const TrialRecord* trial) { return trial->status == status; }));
}

/// Finished trials, the best first; of those with equal configs the first.
std::vector<RankedTrial> rank_trials(const SweepPlan& plan, const std::vector<TrialRecord>& records,
                                     const RecordsByCell& cells) {
  std::vector<RankedTrial> ranked;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const double value = metric_value(records[i].last, plan.metric);
    if (records[i].status != TrialStatus::finished || std::isnan(value)) continue;
    if (!seen.insert(records[i].digest).second) continue;
    const std::vector<const TrialRecord*>& cell = cells.at(cell_of(plan, plan.trials[i]));
    ranked.push_back({1, &plan.trials[i], value, cell.size(), count_of(TrialStatus::failed, cell)});
  }
  const bool higher = higher_is_better(plan.metric);
  std::stable_sort(ranked.begin(), ranked.end(), [&](const RankedTrial& a, const RankedTrial& b) {
    return higher ? a.value > b.value : a.value < b.value;
  });
  for (std::size_t i = 0; i < ranked.size(); ++i) ranked[i].rank = i + 1;
  return ranked;
}

/// `lockstep report` takes the columns between "rank" and "parameters" for the sweep's keys.
std::string trial_table(const SweepPlan& plan, const std::vector<TrialRecord>& records,
                        const std::vector<RankedTrial>& ranked) {
  std::map<std::string, std::string> ranks;
  for (const RankedTrial& trial : ranked) ranks[trial.trial->digest] = std::to_string(trial.rank);
  std::vector<std::string> header{"trial", "status", "rank"};
  for (const std::string& key : plan.spec.keys()) header.push_back(key);
  for (const char* name : {"parameters", "epoch", "step"}) header.emplace_back(name);
  header.insert(header.end(), result_metrics.begin(), result_metrics.end());
  for (const char* name : {"seconds", "ranks", "parameters_sha256", "run_dir", "message"})
    header.emplace_back(name);

  std::string table = csv_line(header);
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Trial& trial = plan.trials[i];
    const TrialRecord& record = records[i];
    std::vector<std::string> cells{std::to_string(trial.point.number), status_name(record.status),
                                   ranks[record.digest]};
    for (const auto& [key, text] : trial.point.settings) cells.push_back(text);
    cells.push_back(trial.invalid.empty() ? std::to_string(trial.parameters) : "");
    cells.push_back(std::to_string(record.last.epoch));
    cells.push_back(std::to_string(record.last.step));
    for (const std::string& name : result_metrics) cells.push_back(csv_cell(metric_value(record.last, name)));
    cells.push_back(csv_cell(record.seconds));
    cells.push_back(std::to_string(record.ranks));
    cells.push_back(record.parameters_sha256);
    cells.push_back(trial.config.run_dir);
    cells.push_back(record.message);
    table += csv_line(cells);
  }
  return table;
}

/// One row a cell, in the order of their first trials.
std::string cell_table(const SweepPlan& plan, const RecordsByCell& cells) {
  std::vector<std::string> header;
  for (const std::string& key : plan.spec.keys()) {
    if (!is_over(plan, key)) header.push_back(key);
  }
  header.insert(header.end(), {"trials", "finished", "failed"});
  for (const std::string& name : result_metrics) {
    for (const char* what : {"_mean", "_sd", "_ci95_low", "_ci95_high"}) header.push_back(name + what);
  }
  std::string table = csv_line(header);
  std::set<Cell> written;
  for (const Trial& trial : plan.trials) {
    const Cell cell = cell_of(plan, trial);
    if (!written.insert(cell).second) continue;
    const std::vector<const TrialRecord*>& trials = cells.at(cell);
    std::vector<std::string> row = cell;
    for (const std::size_t number :
         {trials.size(), count_of(TrialStatus::finished, trials), count_of(TrialStatus::failed, trials)})
      row.push_back(std::to_string(number));
    for (const std::string& name : result_metrics) {
      std::vector<double> values;
      for (const TrialRecord* record : trials) {
        if (record->status == TrialStatus::finished) values.push_back(metric_value(record->last, name));
      }
      const Spread spread = spread_of(values);
      for (const double number : {spread.mean, spread.sd, spread.low, spread.high})
        row.push_back(csv_cell(number));
    }
    table += csv_line(row);
  }
  return table;
}

void write_best(const SweepPlan& plan, const std::vector<RankedTrial>& best) {
  const std::string directory = plan.spec.directory + "/best";
  for (const RankedTrial& trial : best) {
    const std::string place = directory + "/" + std::to_string(trial.rank);
    fs::create_directories(place);
    write_file_atomically(place + "/config.toml", config_toml(trial.trial->config));
  }
  // Of an earlier, longer list.
  for (std::size_t rank = best.size() + 1; fs::remove_all(directory + "/" + std::to_string(rank)) > 0;
       ++rank) {
  }
}

}  // namespace

double student_t_probability(double t, std::size_t degrees) {
  const auto v = static_cast<double>(degrees);
  const double theta = std::atan(t / std::sqrt(v));
  const double cosine = std::cos(theta), sine = std::sin(theta);
  const bool odd = degrees % 2 == 1;
  double term = odd ? cosine : 1, sum = degrees == 1 ? 0 : term;
  for (std::size_t k = odd ? 3 : 2; k + 2 <= degrees; k += 2) {
    const auto number = static_cast<double>(k);
    term *= cosine * cosine * (number - 1) / number;
    sum += term;
  }
  const double two_sided = odd ? 2 / std::numbers::pi * (theta + sine * sum) : sine * sum;
  return 0.5 + two_sided / 2;
}

double student_t_quantile(double probability, std::size_t degrees) {
  double low = 0, high = 1;
  while (student_t_probability(high, degrees) < probability) high *= 2;
  constexpr int halvings = 80;
  for (int i = 0; i < halvings; ++i) {
    const double middle = (low + high) / 2;
    (student_t_probability(middle, degrees) < probability ? low : high) = middle;
  }
  return high;
}

Spread spread_of(std::span<const double> values) {
  Spread spread;
  double sum = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    ++spread.count;
    sum += value;
  }
  if (spread.count == 0) return spread;
  const auto n = static_cast<double>(spread.count);
  spread.mean = sum / n;
  if (spread.count == 1) return spread;
  double squares = 0;
  for (const double value : values) {
    if (!std::isnan(value)) squares += (value - spread.mean) * (value - spread.mean);
  }
  spread.sd = std::sqrt(squares / (n - 1));
  const double half_width = student_t_quantile(0.975, spread.count - 1) * spread.sd / std::sqrt(n);
  spread.low = spread.mean - half_width;
  spread.high = spread.mean + half_width;
  return spread;
}

SweepSummary write_results(const SweepPlan& plan, const std::function<void()>& after_each_record) {
  const Ledger ledger(plan.spec.directory);
  const FileLock turn = ledger.lock_results();
  const std::vector<TrialRecord> records = read_records(plan, ledger, after_each_record);
  const RecordsByCell cells = records_by_cell(plan, records);
  std::vector<RankedTrial> ranked = rank_trials(plan, records, cells);
  write_file_atomically(plan.spec.directory + "/sweep.csv", trial_table(plan, records, ranked));
  write_file_atomically(plan.spec.directory + "/summary.csv", cell_table(plan, cells));
  ranked.resize(std::min<std::size_t>(ranked.size(), plan.spec.best));
  write_best(plan, ranked);

  SweepSummary summary;
  std::set<std::string> digests;
  for (const Trial& trial : plan.trials) summary.repeated += digests.insert(trial.digest).second ? 0 : 1;
  for (const TrialRecord& record : records) {
    summary.finished += record.status == TrialStatus::finished ? 1 : 0;
    summary.halted += record.status == TrialStatus::halted ? 1 : 0;
    summary.failed += record.status == TrialStatus::failed ? 1 : 0;
    summary.statuses.push_back(record.status);
  }
  summary.best = std::move(ranked);
  return summary;
}

}  // namespace lockstep
