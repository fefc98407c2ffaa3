#include "lockstep/sweep/scheduler.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

#include "lockstep/core/build_id.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/seconds_since.hpp"
#include "lockstep/core/sha256.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/core/version.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/progress_board.hpp"
#include "lockstep/dist/signs_of_life.hpp"
#include "lockstep/dist/watchdog.hpp"
#include "lockstep/sweep/halving.hpp"
#include "lockstep/sweep/summary.hpp"
#include "lockstep/train/checkpointer.hpp"
#include "lockstep/train/shared_dataset.hpp"
#include "lockstep/train/stop_conditions.hpp"
#include "lockstep/train/stop_signal.hpp"
#include "sweep_board.hpp"

namespace lockstep {
namespace {

constexpr double no_value = std::numeric_limits<double>::quiet_NaN();  // of a trial's metric

using Clock = std::chrono::steady_clock;

/// This job has no more to do with it.
bool is_over(TrialStatus status) {
  return status != TrialStatus::waiting && status != TrialStatus::running;
}

/// Trials would stand among the files of a run.
void refuse_run_directory(const std::string& directory) {
  std::error_code ignored;
  const auto has = [&](const char* name) { return std::filesystem::exists(directory + name, ignored); };
  if (has("/ledger") || !has("/config.toml") || !has("/checkpoints")) return;
  throw UserError("--sweep-dir: expected a new directory or that of a sweep, found " +
                  path_in_quotes(directory) + ", a run directory");
}

/// Runs of this job that are trained by groups of one size, those with the most work first.
struct Round {
  int ranks = 1;
  std::vector<std::size_t> runs;  // in SweepJob::runs_
};

/// Watches one trial, on the first rank of its group.
class TrialWatch : public TrainObserver {
 public:
  TrialWatch(const SweepPlan& plan, const Trial& trial, const Ledger& ledger, TrialRecord& record,
             std::function<bool()> tick, std::function<void()> keep_in_touch)
      : plan_(plan),
        trial_(trial),
        ledger_(ledger),
        record_(record),
        tick_(std::move(tick)),
        keep_in_touch_(std::move(keep_in_touch)) {}

  void progressed(std::uint64_t, double, double) override { stops_ = tick_(); }
  bool wants_to_stop() override {
    keep_in_touch_();
    return stops_;
  }
  void in_long_phase() override { keep_in_touch_(); }
  void epoch_finished(const EpochMetrics& metrics) override { record_.last = metrics; }
  bool goes_on_after(const EpochMetrics& metrics) override {
    const std::optional<HalvingSettings>& halving = plan_.spec.halving;
    const double value = metric_value(metrics, plan_.metric);
    const bool decides =
        halving && is_rung(*halving, metrics.epoch, trial_.config.epochs) && !std::isnan(value);
    if (!decides) return true;
    try {
      return decide_after(*halving, metrics.epoch, value);
    } catch (const FileError& error) {
      refused_ = error.what();
      throw;
    } catch (const UnreadableError& error) {
      refused_ = error.what();
      throw;
    }
  }

  /// What the disk said when it took no decision; empty if it took all.
  const std::string& refused() const { return refused_; }

 private:
  /// A trial that comes by again after an interruption keeps to what was decided.
  bool decide_after(const HalvingSettings& halving, std::uint64_t epoch, double value) {
    for (const HalvingDecision& earlier : record_.halving) {
      if (earlier.epoch == epoch) return earlier.goes_on;
    }
    ledger_.write_rung(epoch, record_.digest, value);
    std::map<std::string, double> values;
    ledger_.read_rung(epoch, values);
    record_.halving.push_back(decide(halving, epoch, record_.digest, values, higher_is_better(plan_.metric)));
    ledger_.write(record_);
    return record_.halving.back().goes_on;
  }

  const SweepPlan& plan_;
  const Trial& trial_;
  const Ledger& ledger_;
  TrialRecord& record_;
  std::function<bool()> tick_;           // returns whether the job is stopping
  std::function<void()> keep_in_touch_;  // with the job's other ranks
  bool stops_ = false;
  std::string refused_;
};

/// One job's part of a sweep, on one rank. Functions are collective over the job, or over a group where they
/// take one, unless they say otherwise.
class SweepJob {
 public:
  SweepJob(const Communicator& world, const SweepPlan& plan, const SweepSelection& selection,
           SweepObserver& observer, ProgressBoard& progress_board, double stall_timeout_seconds,
           const StopSignal& signal)
      : world_(world),
        plan_(plan),
        selection_(selection),
        observer_(observer),
        progress_board_(progress_board),
        stall_timeout_seconds_(stall_timeout_seconds),
        signal_(signal) {}

  SweepResult run();

 private:
  void check_same_plan() const;
  void select();
  bool is_to_run(const TrialRecord& record) const;
  void record_invalid(const Trial& trial) const;
  void load_datasets();
  void plan_rounds();
  void run_round(std::size_t round, const Communicator& group);
  void run_one(const Communicator& group, std::size_t run);
  std::optional<FileLock> take(const Communicator& group, std::size_t run, TrialRecord& record);
  std::string train_one(const Communicator& group, const Trial& trial, TrialRecord& record);
  void end_one(const Communicator& group, std::size_t run, TrialRecord& record);
  void tell_refusals();
  void tick(bool now);
  SweepProgress progress_shown() const;

  bool is_stopping() const;
  void exchange_signs(int ranks, bool works);
  void keep_in_touch(const Communicator& group);
  void ask_root(const std::function<void()>& ask);
  void wait_for_others();
  const Trial& trial_of(std::size_t run) const { return plan_.trials[runs_[run]]; }

  const Communicator& world_;
  const SweepPlan& plan_;
  const SweepSelection& selection_;
  SweepObserver& observer_;
  ProgressBoard& progress_board_;  // where the ranks stand, for the watchdog
  double stall_timeout_seconds_;
  const StopSignal& signal_;

  std::optional<Ledger> ledger_;    // first ranks of groups only
  std::vector<std::int64_t> runs_;  // trials to be run, as indices into the plan
  std::size_t earlier_ = 0;         // rank 0 only
  std::vector<std::optional<SharedDataset>> datasets_;
  std::vector<Round> rounds_;
  std::optional<SweepBoard> board_;
  std::optional<SignsOfLife> signs_of_life_;  // where watchdogs do not see all ranks
  std::string refused_;                       // what the disk said when it took no record

  // The live view; rank 0 only.
  SweepProgress progress_;
  std::vector<SweepBoard::State> shown_;
  Clock::time_point started_ = Clock::now(), last_tick_{};
};

/// Not collective. Whether a trial of the selection is still to be run.
bool SweepJob::is_to_run(const TrialRecord& record) const {
  if (record.status == TrialStatus::finished) return false;
  if (record.status == TrialStatus::halted) return !plan_.spec.halving;
  return record.status != TrialStatus::failed || selection_.retry_failed;
}

/// Not collective.
void SweepJob::record_invalid(const Trial& trial) const {
  TrialRecord record;
  record.digest = trial.digest;
  record.status = TrialStatus::failed;
  record.message = trial.invalid;
  record.settings = trial.point.settings;
  ledger_->write(record);
}

/// Hosts may see other files, or run another lockstep.
void SweepJob::check_same_plan() const {
  Sha256 digest;
  digest.update(version() + build_id() + instruction_set());
  const bool uses_openblas = std::any_of(plan_.trials.begin(), plan_.trials.end(), [](const Trial& trial) {
    return trial.config.arithmetic == Arithmetic::openblas;
  });
  const auto environment = collectively(world_, [&] {
    return arithmetic_environment(uses_openblas ? Arithmetic::openblas : Arithmetic::exact);
  });
  for (const auto& [key, value] : environment) digest.update(key + value);
  for (const Trial& trial : plan_.trials) digest.update(trial.digest);
  const std::string mine = digest.hex_digest();
  const std::string expected = world_.broadcast(mine);
  collectively(world_, [&] {
    if (mine == expected) return;
    throw UserError(
        "ranks differ in what the trials' results depend on: the lockstep they run, its instruction set "
        "(LOCKSTEP_ISA=avx2 chooses one), the dataset files they see, or OpenBLAS");
  });
}

void SweepJob::select() {
  std::vector<std::int64_t> runs;
  on_root(world_, [&] {
    refuse_run_directory(plan_.spec.directory);
    ledger_.emplace(plan_.spec.directory);
    std::set<std::string> seen;
    for (std::size_t i = 0; i < plan_.trials.size(); ++i) {
      progress_board_.beat();
      const Trial& trial = plan_.trials[i];
      if (!selection_.contains(trial) || !seen.insert(trial.digest).second) continue;
      const TrialRecord record = ledger_->read(trial.digest);
      if (record.status == TrialStatus::waiting && !record.message.empty())
        observer_.message("warning: trial " + std::to_string(trial.point.number) +
                          " is looked at anew: " + record.message);
      if (!is_to_run(record)) {
        ++earlier_;
      } else if (trial.invalid.empty()) {
        runs.push_back(static_cast<std::int64_t>(i));
      } else {
        record_invalid(trial);
        ++progress_.failed;
        observer_.message("trial " + std::to_string(trial.point.number) + " is invalid: " + trial.invalid);
      }
    }
  });
  runs_ = world_.all_gather_v<std::int64_t>(runs);
  if (!ledger_ && !runs_.empty()) ledger_.emplace(plan_.spec.directory);
}

void SweepJob::load_datasets() {
  progress_board_.reach(0, Phase::reading_data);
  datasets_.resize(plan_.datasets.size());
  for (std::size_t d = 0; d < plan_.datasets.size(); ++d) {
    const auto needs = [&](Precision precision) {
      return std::any_of(runs_.begin(), runs_.end(), [&](std::int64_t i) {
        const Trial& trial = plan_.trials[static_cast<std::size_t>(i)];
        return trial.dataset == d && trial.config.precision == precision;
      });
    };
    const bool float32 = needs(Precision::float32), float64 = needs(Precision::float64);
    if (!float32 && !float64) continue;
    datasets_[d].emplace(world_, plan_.datasets[d], float32, float64, &progress_board_);
    if (world_.is_root() && !datasets_[d]->fallback().empty()) {
      observer_.message("warning: every rank holds a copy of " + plan_.datasets[d].path +
                        ", for ranks of one node cannot share it: " + datasets_[d]->fallback());
    }
  }
}

void SweepJob::plan_rounds() {
  std::map<int, Round, std::greater<>> by_ranks;
  for (std::size_t run = 0; run < runs_.size(); ++run) {
    Round& round = by_ranks[std::min(trial_of(run).ranks, world_.size())];
    round.ranks = std::min(trial_of(run).ranks, world_.size());
    round.runs.push_back(run);
  }
  for (auto& [ranks, round] : by_ranks) {
    std::stable_sort(round.runs.begin(), round.runs.end(),
                     [&](std::size_t a, std::size_t b) { return trial_of(a).work > trial_of(b).work; });
    rounds_.push_back(std::move(round));
  }
}

SweepResult SweepJob::run() {
  // Or every trial would fail by it.
  collectively(world_, [] { job_end_from_environment(); });
  check_same_plan();
  select();
  load_datasets();
  progress_board_.reach(0, Phase::starting);
  // Reports shall know all trials from the beginning.
  on_root(world_, [&] { write_results(plan_, [&] { progress_board_.beat(); }); });
  plan_rounds();
  board_.emplace(world_, rounds_.size(), runs_.size());
  const bool sees_all = progress_board_.ranks().size() == static_cast<std::size_t>(world_.size());
  if (!sees_all && stall_timeout_seconds_ > 0) signs_of_life_.emplace(world_, stall_timeout_seconds_);
  progress_.runs = runs_.size() + progress_.failed;
  for (std::size_t run = 0; run < runs_.size(); ++run) progress_.work += trial_of(run).work;
  shown_.resize(runs_.size());
  if (world_.is_root()) observer_.started(plan_, progress_.runs, earlier_);
  started_ = Clock::now();

  const std::int32_t node = world_.node();
  const std::vector<std::int32_t> nodes = world_.all_gather_v(std::span(&node, 1));
  for (std::size_t round = 0; round < rounds_.size(); ++round) {
    const std::vector<int> groups = groups_of_ranks(nodes, rounds_[round].ranks);
    const Communicator group = world_.split(groups[static_cast<std::size_t>(world_.rank())]);
    progress_board_.reach(0, Phase::between_trials);
    try {
      run_round(round, group);
    } catch (const AgreedError& error) {
      // Only this group knows: the job has to be ended for the others.
      throw std::runtime_error(error.what());
    }
    wait_for_others();
  }
  tick(true);
  tell_refusals();
  const bool stopped = progress_.stopped > 0 || progress_.over() < progress_.runs;
  return {progress_, world_.all_reduce_max(world_.is_root() && stopped ? 1 : 0) == 1};
}

/// Not collective, and where there are signs of life, it waits for nobody.
bool SweepJob::is_stopping() const {
  return signs_of_life_ && !world_.is_root() ? signs_of_life_->told() != 0 : board_->stopped();
}

/// Not collective.
void SweepJob::exchange_signs(int ranks, bool works) {
  if (!signs_of_life_) return;
  if (world_.is_root()) signs_of_life_->tell(is_stopping() ? 1 : 0);
  signs_of_life_->exchange(ranks, works);
}

/// Not collective; on the first rank of a group, between the steps of a trial and between trials.
void SweepJob::keep_in_touch(const Communicator& group) {
  if (world_.is_root() && world_.nodes() > 1) board_->progress();
  exchange_signs(group.size(), true);
}

/// Not collective; on the first rank of a group, between trials. The board is on rank 0: where that does not
/// respond, the watchdog shall say what is waited for.
void SweepJob::ask_root(const std::function<void()>& ask) {
  progress_board_.reach(0, Phase::asking_root);
  ask();
  progress_board_.reach(0, Phase::between_trials);
}

/// The job's ranks have met when it returns.
void SweepJob::wait_for_others() {
  bool told = false;
  progress_board_.reach(0, Phase::waiting_for_trials);
  const auto meanwhile = [&] {
    if (signs_of_life_) {
      exchange_signs(1, false);
      // Where others of this host are at work, its watchdogs look after them.
      if (progress_board_.everyone_in(Phase::waiting_for_trials)) progress_board_.beat();
      const std::string missing = signs_of_life_->missing();
      if (!missing.empty() && progress_board_.claim_report()) throw std::runtime_error(missing);
    }
    if (signal_.requested() && !std::exchange(told, true)) board_->stop();
    tick(false);
  };
  world_.patient_barrier(meanwhile);
  // Of ranks that were stopped in the first, the others may have had what they wait for.
  if (signs_of_life_) world_.patient_barrier(meanwhile);
}

void SweepJob::run_round(std::size_t round, const Communicator& group) {
  const std::vector<std::size_t>& runs = rounds_[round].runs;
  for (;;) {
    progress_board_.beat();
    if (group.is_root()) keep_in_touch(group);
    const bool stop = group.all_reduce_max(signal_.requested() ? 1 : 0) == 1;
    std::uint64_t next = runs.size();
    if (group.is_root() && stop) ask_root([&] { board_->stop(); });
    if (group.is_root() && !stop) ask_root([&] { next = board_->draw(round); });
    group.broadcast(std::span(&next, 1));
    if (next >= runs.size()) return;
    run_one(group, runs[next]);
  }
}

void SweepJob::tell_refusals() {
  std::vector<std::string> all = world_.gather_text(refused_);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  for (const std::string& text : all) {
    if (!text.empty() && world_.is_root())
      observer_.message("warning: " + text + "; the trials that this stopped are for the next job");
  }
}

/// The trial's lock and what is known of it, on the group's first rank; nothing if another job has it or had
/// it in the meantime, or if the disk takes no record: the record's status is `stopped` then.
std::optional<FileLock> SweepJob::take(const Communicator& group, std::size_t run, TrialRecord& record) {
  std::optional<FileLock> lock;
  on_root(group, [&] {
    const Trial& trial = trial_of(run);
    try {
      lock.emplace(ledger_->lock(trial.digest));
    } catch (const LockedError&) {
      return;
    } catch (const FileError& error) {
      refused_ = error.what();
      record.status = TrialStatus::stopped;
      return;
    }
    record = ledger_->read(trial.digest);
    if (!is_to_run(record)) {
      lock.reset();
      return;
    }
    record.status = TrialStatus::running;
    record.message.clear();
    record.settings = trial.point.settings;
    record.host = group.host();
    record.ranks = group.size();
    ++record.attempts;
    try {
      ledger_->write(record);
    } catch (const FileError& error) {
      // The trial would fail by the same disk, and that is no fault of its.
      refused_ = error.what();
      record.status = TrialStatus::stopped;
      lock.reset();
    }
  });
  return lock;
}

/// Why the trial failed; empty if it did not. The record's other fields are filled on the group's first rank.
std::string SweepJob::train_one(const Communicator& group, const Trial& trial, TrialRecord& record) {
  const auto tick_and_look = [&] {
    tick(false);
    return is_stopping();
  };
  TrialWatch watch(plan_, trial, *ledger_, record, tick_and_look, [&] { keep_in_touch(group); });
  try {
    const TrainResult result = train(group, trial.config, watch, &*datasets_[trial.dataset]);
    record.last = result.last;
    record.parameters_sha256 = result.parameters_sha256;
    record.message = result.reason;
    // The job's signal or limit is that of all its trials, --max-seconds that of one.
    const bool of_the_job = result.status == ExitStatus::resumable && result.reason != max_seconds_reason;
    if (of_the_job && group.is_root()) ask_root([&] { board_->stop(); });
    record.status = result.status == ExitStatus::resumable ? TrialStatus::stopped
                    : result.reason == halted_reason       ? TrialStatus::halted
                                                           : TrialStatus::finished;
    return "";
  } catch (const AgreedError& error) {
    if (watch.refused().empty()) return error.what();
    // No fault of the trial's: the next job comes by the epoch's end once more.
    refused_ = watch.refused();
    record.status = TrialStatus::stopped;
    return "";
  } catch (const MpiError&) {
    throw;
  } catch (const std::exception& error) {
    // Other ranks of a group would not know.
    if (group.size() > 1) throw;
    return error.what();
  }
}

void SweepJob::run_one(const Communicator& group, std::size_t run) {
  TrialRecord record;
  const std::optional<FileLock> lock = take(group, run, record);
  if (group.all_reduce_max(lock.has_value() ? 1 : 0) == 0) {
    const bool refused = record.status == TrialStatus::stopped;
    const TrialStatus status = refused ? TrialStatus::stopped : TrialStatus::waiting;
    if (group.is_root()) ask_root([&] { board_->set(run, {status, !refused, no_value}); });
    return;
  }
  if (group.is_root()) ask_root([&] { board_->set(run, {TrialStatus::running, false, no_value}); });
  tick(true);
  const Clock::time_point start = Clock::now();
  progress_board_.reach(0, Phase::running_trials);
  const std::string failure = train_one(group, trial_of(run), record);
  progress_board_.reach(0, Phase::between_trials);
  if (!failure.empty()) {
    record.status = TrialStatus::failed;
    record.message = failure;
    record.parameters_sha256.clear();
  }
  record.seconds += seconds_since(start);
  end_one(group, run, record);
}

void SweepJob::end_one(const Communicator& group, std::size_t run, TrialRecord& record) {
  on_root(group, [&] {
    try {
      ledger_->write(record);
    } catch (const FileError& error) {
      // Other groups need not end by it: the next job takes the trial again, and finds how far it has come.
      refused_ = error.what();
      record.status = TrialStatus::stopped;
    }
  });
  if (group.is_root()) {
    const double value = record.last.epoch > 0 ? metric_value(record.last, plan_.metric) : no_value;
    ask_root([&] { board_->set(run, {record.status, false, value}); });
  }
  tick(true);
}

/// How the sweep stands by shown_. Not collective.
SweepProgress SweepJob::progress_shown() const {
  SweepProgress progress;
  progress.runs = progress_.runs;
  progress.work = progress_.work;
  progress.failed = progress_.runs - runs_.size();  // the invalid ones
  progress.seconds = seconds_since(started_);
  const bool higher = higher_is_better(plan_.metric);
  for (std::size_t run = 0; run < shown_.size(); ++run) {
    const auto& [status, elsewhere, value] = shown_[run];
    progress.elsewhere += elsewhere ? 1 : 0;
    progress.running += status == TrialStatus::running ? 1 : 0;
    progress.finished += status == TrialStatus::finished ? 1 : 0;
    progress.halted += status == TrialStatus::halted ? 1 : 0;
    progress.failed += status == TrialStatus::failed ? 1 : 0;
    progress.stopped += status == TrialStatus::stopped ? 1 : 0;
    if (elsewhere || is_over(status)) progress.work_done += trial_of(run).work;
    const bool better = std::isnan(progress.best_value) ||
                        (higher ? value > progress.best_value : value < progress.best_value);
    if (status == TrialStatus::finished && !std::isnan(value) && better) {
      progress.best_value = value;
      progress.best_trial = trial_of(run).point.number;
    }
  }
  return progress;
}

/// Not collective. Lets other nodes get on, and on rank 0 shows how the sweep stands. Of trials that ended
/// since the last call, each is told of with the count that it makes.
void SweepJob::tick(bool now) {
  if (!world_.is_root()) return;
  constexpr double interval_seconds = 0.1;
  if (!now && seconds_since(last_tick_) < interval_seconds) {
    board_->progress();
    return;
  }
  last_tick_ = Clock::now();
  const std::vector<SweepBoard::State> states = board_->states();
  std::vector<std::size_t> ended;
  for (std::size_t run = 0; run < states.size(); ++run) {
    if (is_over(states[run].status) && states[run].status != shown_[run].status) {
      ended.push_back(run);
    } else {
      shown_[run] = states[run];
    }
  }
  for (const std::size_t run : ended) {
    shown_[run] = states[run];
    observer_.trial_ended({&trial_of(run), states[run].status, states[run].value}, progress_shown());
  }
  progress_ = progress_shown();
  observer_.progressed(progress_);
}

/// The longest of all trials; 0, which is for ever, if any has it.
double stall_timeout_seconds(const SweepPlan& plan) {
  double longest = 0;
  for (const Trial& trial : plan.trials) {
    if (trial.config.stall_timeout_seconds == 0) return 0;
    longest = std::max(longest, trial.config.stall_timeout_seconds);
  }
  return longest;
}

}  // namespace

std::vector<int> groups_of_ranks(const std::vector<std::int32_t>& nodes, int ranks) {
  const auto wanted = static_cast<std::size_t>(std::max(ranks, 1));
  // Parts of the job that are cut into groups on their own: nodes, or the job where nodes are too small.
  std::vector<Range> parts;
  for (std::size_t begin = 0, end = 0; begin < nodes.size(); begin = end) {
    while (end < nodes.size() && nodes[end] == nodes[begin]) ++end;
    parts.push_back({begin, end});
  }
  const bool node_is_too_small =
      std::any_of(parts.begin(), parts.end(), [&](const Range& part) { return part.size() < wanted; });
  if (node_is_too_small) parts = {{0, nodes.size()}};

  std::vector<int> groups(nodes.size());
  int next = 0;
  for (const Range& part : parts) {
    const std::size_t count = (part.size() + wanted - 1) / wanted;
    for (std::size_t i = 0; i < part.size(); ++i)
      groups[part.begin + i] = next + static_cast<int>(block_owner(part.size(), count, i));
    next += static_cast<int>(count);
  }
  return groups;
}

SweepResult run_sweep(const Communicator& world, const SweepPlan& plan, const SweepSelection& selection,
                      SweepObserver& observer) {
  const StopSignal signal;  // one that comes before the first trial is not lost
  const double timeout_seconds = stall_timeout_seconds(plan);
  return watched(world, timeout_seconds, Stall::no_progress, [&](ProgressBoard& board) {
    return SweepJob(world, plan, selection, observer, board, timeout_seconds, signal).run();
  });
}

}  // namespace lockstep
