#include "lockstep/sweep/ledger.hpp"

#include <array>
#include <cmath>
#include <filesystem>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/io/atomic_file.hpp"
#include "lockstep/io/text_file.hpp"
#include "lockstep/train/json_text.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct MetricColumn {
  const char* name;
  double EpochMetrics::*field;
};
constexpr std::array metric_columns{
    MetricColumn{"loss", &EpochMetrics::loss},
    MetricColumn{"accuracy", &EpochMetrics::accuracy},
    MetricColumn{"val_loss", &EpochMetrics::val_loss},
    MetricColumn{"val_accuracy", &EpochMetrics::val_accuracy},
    MetricColumn{"test_loss", &EpochMetrics::test_loss},
    MetricColumn{"test_accuracy", &EpochMetrics::test_accuracy},
    MetricColumn{"learning_rate", &EpochMetrics::learning_rate},
    MetricColumn{"seconds", &EpochMetrics::seconds},
    MetricColumn{"samples_per_second", &EpochMetrics::samples_per_second},
};

constexpr std::array<const char*, 6> status_names{"waiting",  "running", "stopped",
                                                  "finished", "halted",  "failed"};

TrialStatus parse_status(const std::string& name) {
  for (std::size_t i = 0; i < status_names.size(); ++i) {
    if (name == status_names[i]) return static_cast<TrialStatus>(i);
  }
  throw FileError("unknown status '" + name + "'");
}

json to_json(double value) {
  return std::isfinite(value) ? json(value) : json(nullptr);
}
double to_double(const json& value) {
  return value.is_null() ? not_evaluated : value.get<double>();
}

json to_json(const EpochMetrics& metrics) {
  json result{{"epoch", metrics.epoch}, {"step", metrics.step}};
  for (const MetricColumn& column : metric_columns) result[column.name] = to_json(metrics.*column.field);
  return result;
}
EpochMetrics to_metrics(const json& stored) {
  EpochMetrics metrics;
  metrics.epoch = stored.at("epoch");
  metrics.step = stored.at("step");
  for (const MetricColumn& column : metric_columns) metrics.*column.field = to_double(stored.at(column.name));
  return metrics;
}

json to_json(const TrialRecord& record) {
  json settings = json::object(), halving = json::array();
  for (const auto& [key, text] : record.settings) settings[key] = text;
  for (const HalvingDecision& decision : record.halving) {
    halving.push_back({{"epoch", decision.epoch},
                       {"value", to_json(decision.value)},
                       {"better", decision.better},
                       {"among", decision.among},
                       {"goes_on", decision.goes_on}});
  }
  return {{"digest", record.digest},
          {"status", status_name(record.status)},
          {"message", record.message},
          {"settings", settings},
          {"last", to_json(record.last)},
          {"parameters_sha256", record.parameters_sha256},
          {"host", record.host},
          {"ranks", record.ranks},
          {"seconds", record.seconds},
          {"attempts", record.attempts},
          {"halving", halving}};
}

TrialRecord to_record(const json& stored) {
  TrialRecord record;
  record.digest = stored.at("digest");
  record.status = parse_status(stored.at("status"));
  record.message = stored.at("message");
  for (const auto& [key, text] : stored.at("settings").items()) record.settings.emplace_back(key, text);
  record.last = to_metrics(stored.at("last"));
  record.parameters_sha256 = stored.at("parameters_sha256");
  record.host = stored.at("host");
  record.ranks = stored.at("ranks");
  record.seconds = stored.at("seconds");
  record.attempts = stored.at("attempts");
  for (const json& decision : stored.at("halving")) {
    record.halving.push_back({decision.at("epoch"), to_double(decision.at("value")), decision.at("better"),
                              decision.at("among"), decision.at("goes_on")});
  }
  return record;
}

}  // namespace

std::string status_name(TrialStatus status) {
  return status_names[static_cast<std::size_t>(status)];
}

double metric_value(const EpochMetrics& metrics, const std::string& name) {
  for (const MetricColumn& column : metric_columns) {
    if (name == column.name) return metrics.*column.field;
  }
  throw std::logic_error("no metric " + name);
}

Ledger::Ledger(std::string sweep_directory) : directory_(std::move(sweep_directory)) {
  for (const char* name : {"/ledger", "/trials"}) {
    std::error_code error;
    make_directories(directory_ + name, error);
    if (error) {
      throw UserError("--sweep-dir: expected a directory that can be written, found " +
                      path_in_quotes(directory_ + name) + ": " + error.message());
    }
  }
}

std::string Ledger::record_path(const std::string& digest) const {
  return directory_ + "/ledger/" + digest + ".json";
}

std::string Ledger::rung_path(std::uint64_t epoch) const {
  return directory_ + "/halving/epoch-" + std::to_string(epoch);
}

TrialRecord Ledger::read(const std::string& digest) const {
  TrialRecord record;
  record.digest = digest;
  const std::string path = record_path(digest);
  if (!fs::exists(path)) return record;
  try {
    return to_record(json::parse(read_text_file(path)));
  } catch (const std::exception& error) {
    record.message = path + " is damaged: " + error.what();
    return record;
  }
}

void Ledger::write(const TrialRecord& record) const {
  const std::string text = json_text(to_json(record), 1) + "\n";
  if (record.status == TrialStatus::running) {
    replace_file(record_path(record.digest), text);
  } else {
    write_file_atomically(record_path(record.digest), text);
  }
}

FileLock Ledger::lock(const std::string& digest) const {
  return FileLock(directory_ + "/ledger/" + digest + ".lock");
}

FileLock Ledger::lock_results() const {
  return FileLock(directory_ + "/ledger/results.lock", FileLock::IfHeld::wait);
}

void Ledger::write_rung(std::uint64_t epoch, const std::string& digest, double value) const {
  std::error_code error;
  make_directories(rung_path(epoch), error);
  if (error) throw FileError(rung_path(epoch) + ": expected a directory, found: " + error.message());
  write_file_atomically(rung_path(epoch) + "/" + digest, format_exact(value) + "\n");
}

void Ledger::read_rung(std::uint64_t epoch, std::map<std::string, double>& known) const {
  std::error_code error;
  fs::directory_iterator entry(rung_path(epoch), error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string digest = entry->path().filename().string();
    if (digest.starts_with('.') || known.contains(digest)) continue;
    const std::string path = entry->path().string();
    known[digest] = parse_double(trimmed(read_text_file(path)), path);
  }
  if (error && error != std::errc::no_such_file_or_directory)
    throw FileError(rung_path(epoch) + ": " + error.message());
}

}  // namespace lockstep
