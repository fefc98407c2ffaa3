#include "lockstep/train/run_directory.hpp"

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <ctime>
#include <exception>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/io/atomic_file.hpp"
#include "lockstep/io/checkpoint.hpp"
#include "lockstep/io/file_type.hpp"
#include "lockstep/io/text_file.hpp"
#include "lockstep/train/diagnostics.hpp"
#include "lockstep/train/json_text.hpp"
#include "lockstep/train/trainer.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& path, const std::string& found) {
  throw UserError("--run-dir: expected a directory that can be written, found " + path_in_quotes(path) +
                  ": " + found);
}

/// The nearest of the path and its parents that exists, be it a link to nothing.
fs::path nearest_existing(const fs::path& path) {
  fs::path nearest = fs::absolute(path).lexically_normal();
  std::error_code ignored;
  while (!fs::exists(fs::symlink_status(nearest, ignored)) && nearest.has_relative_path())
    nearest = nearest.parent_path();
  return nearest;
}

bool is_link_to_nothing(const fs::path& path) {
  std::error_code ignored;
  return fs::is_symlink(path, ignored) && !fs::exists(path, ignored);
}

constexpr const char* link_to_nothing = "a link to nothing; is the disk there that it leads to?";

/// Throws UserError if `path` could not be made or written into. Leaves nothing behind.
void check_usable(const std::string& path) {
  const fs::path nearest = nearest_existing(path);
  std::error_code ignored;
  if (is_link_to_nothing(nearest)) refuse(path, "'" + nearest.string() + "' is " + link_to_nothing);
  if (!fs::is_directory(nearest, ignored)) refuse(path, "'" + nearest.string() + "' is not a directory");
  if (::access(nearest.c_str(), W_OK | X_OK) != 0) {
    refuse(path, "'" + nearest.string() + "': " + std::strerror(errno));
  }
}

/// Absolute, without a slash at the end.
fs::path normal(const fs::path& path) {
  const fs::path absolute = fs::absolute(path).lexically_normal();
  return absolute.filename().empty() ? absolute.parent_path() : absolute;
}

std::string local_time() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm broken_down{};
  ::localtime_r(&now, &broken_down);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &broken_down);
  return text;
}

/// A run directory from elsewhere is not to have other files written into, nor to block who opens them. What
/// is replaced as a whole may be a link.
void refuse_special_files(std::initializer_list<std::string> files) {
  using Type = fs::file_type;
  for (const std::string& file : files) {
    std::error_code ignored;
    const Type type = fs::symlink_status(file, ignored).type();
    if (type == Type::regular || type == Type::not_found || type == Type::none) continue;
    throw UserError("--run-dir: " + file + ": expected a regular file, found " + file_type_name(type));
  }
}

/// The number in a cell; unchanged where the cell is blank.
template <class Number>
void read_cell(const std::string& cell, Number& number) {
  std::from_chars(cell.data(), cell.data() + cell.size(), number);
}

/// The text at `key` in a run directory's summary.json; empty if there is none or the file is damaged.
std::string summary_text(const std::string& run_dir, const char* key) {
  const std::string path = run_dir + "/summary.json";
  if (!std::filesystem::exists(path)) return "";
  const auto summary = nlohmann::json::parse(read_text_file(path), nullptr, false);
  if (!summary.is_object()) return "";
  const auto found = summary.find(key);
  return found != summary.end() && found->is_string() ? found->get<std::string>() : "";
}

EpochTable metrics_table(const std::string& run_dir) {
  return {run_dir + "/metrics.csv",
          {"step", "loss", "accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy",
           "learning_rate", "seconds", "samples_per_second"}};
}

}  // namespace

RunDirectory::RunDirectory(const std::string& path)
    : path_(path), metrics_(metrics_table(path)), diagnostics_(diagnostics_table(path)) {
  check_usable(path);
  try {
    std::error_code error;
    first_made_ = make_directories(path_, error);
    if (error) refuse(path_, error.message());
    refuse_special_files({lock_path(), metrics_path(), diagnostics_.path(), log_path()});
    made_lock_ = !fs::exists(lock_path(), error);
    lock();
    made_checkpoints_ = !make_directories(checkpoints_path(), error).empty();
    if (is_link_to_nothing(checkpoints_path())) refuse(checkpoints_path(), link_to_nothing);
    if (error) refuse(checkpoints_path(), error.message());
  } catch (...) {
    discard();
    throw;
  }
}

void RunDirectory::lock() {
  try {
    lock_.emplace(lock_path());
  } catch (const LockedError& error) {
    first_made_.clear();
    made_lock_ = false;
    throw UserError("--run-dir: expected a directory that no other run writes, found " + in_quotes(path_) +
                    " " + error.what());
  } catch (const FileError& error) {
    refuse(path_, error.what());
  }
}

void RunDirectory::discard() {
  std::error_code error;
  if (made_checkpoints_) fs::remove(checkpoints_path(), error);  // only if it is empty
  made_checkpoints_ = false;
  if (made_lock_) fs::remove(lock_path(), error);
  made_lock_ = false;
  if (first_made_.empty()) return;
  fs::path made = normal(path_);
  fs::remove_all(made, error);
  // The parents only as long as they are empty: other runs may have begun in them.
  while (!error && made != first_made_) {
    made = made.parent_path();
    fs::remove(made, error);
  }
  first_made_.clear();
}

void RunDirectory::write_config(const std::string& toml) const {
  write_file_atomically(config_path(), toml);
}

std::size_t RunDirectory::open_metrics_after(std::uint64_t epoch) {
  return metrics_.open_after(epoch);
}

void RunDirectory::sync_tables() {
  std::exception_ptr refused;
  for (EpochTable* table : {&metrics_, &diagnostics_}) {
    try {
      if (table->is_open()) table->sync();
    } catch (const FileError&) {
      refused = std::current_exception();
    }
  }
  if (refused) std::rethrow_exception(refused);
}

void RunDirectory::append_metrics(const EpochMetrics& metrics) {
  const std::vector<std::string> row{std::to_string(metrics.step),    csv_cell(metrics.loss),
                                     csv_cell(metrics.accuracy),      csv_cell(metrics.val_loss),
                                     csv_cell(metrics.val_accuracy),  csv_cell(metrics.test_loss),
                                     csv_cell(metrics.test_accuracy), csv_cell(metrics.learning_rate),
                                     csv_cell(metrics.seconds),       csv_cell(metrics.samples_per_second)};
  metrics_.append(metrics.epoch, {row});
}

EpochMetrics RunDirectory::last_metrics() const {
  EpochMetrics metrics;
  const std::vector<std::string> cells = metrics_.last_row();
  if (cells.empty()) return metrics;
  std::size_t column = 0;
  for (std::uint64_t* const count : {&metrics.epoch, &metrics.step}) read_cell(cells[column++], *count);
  for (double* const number :
       {&metrics.loss, &metrics.accuracy, &metrics.val_loss, &metrics.val_accuracy, &metrics.test_loss,
        &metrics.test_accuracy, &metrics.learning_rate, &metrics.seconds, &metrics.samples_per_second}) {
    read_cell(cells[column++], *number);
  }
  return metrics;
}

void RunDirectory::write_summary(const nlohmann::json& summary) const {
  write_file_atomically(summary_path(), json_text(summary, 2) + "\n");
}

bool RunDirectory::has_summary_of(const std::string& parameters_sha256) const {
  return summary_text(path_, "parameters_sha256") == parameters_sha256;
}

void RunDirectory::log(const std::string& text) const {
  std::ofstream file(log_path(), std::ios::app);
  std::istringstream lines(text);
  const std::string time = local_time();
  for (std::string line; std::getline(lines, line);) file << time << "  " << line << "\n";
  file.close();
  if (!file) throw FileError(log_path() + ": cannot be written: " + std::strerror(errno));
}

void RunDirectory::remove_temporary_files() const {
  // People may have other programs write beside the run, or into the directory that checkpoints/ is a link
  // to.
  lockstep::remove_temporary_files(checkpoints_path(), [](const std::string& name) {
    return step_of_checkpoint(name).has_value() || name == "best" || name == "last";
  });
  const std::set<std::string> own{config_path(), metrics_path(), diagnostics_.path(), summary_path()};
  lockstep::remove_temporary_files(path_,
                                   [&](const std::string& name) { return own.contains(path_ + "/" + name); });
}

}  // namespace lockstep
