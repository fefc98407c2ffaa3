#include "lockstep/app/supervised_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "lockstep/core/text.hpp"

namespace lockstep {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds look_interval{20};
constexpr std::chrono::seconds time_after_sigterm{10};
constexpr std::chrono::seconds time_to_begin{30}, time_without_ranks{10};
constexpr std::chrono::seconds time_between_repeats{1};
constexpr int not_started = 127;

constexpr std::array relayed{SIGTERM, SIGINT, SIGUSR1, SIGHUP};
constexpr std::int64_t nanoseconds_per_second = 1'000'000'000;
constexpr std::int64_t nanoseconds_of_one_signal = nanoseconds_per_second;
std::atomic<int> signals_came = 0;
std::atomic<std::int64_t> last_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free);
std::array<struct sigaction, relayed.size()> former;

/// A batch system signals every process of a job, and the job's script passes it on: that is one signal.
extern "C" void count_signal(int) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t nanoseconds = std::int64_t{now.tv_sec} * nanoseconds_per_second + now.tv_nsec;
  if (signals_came > 0 && nanoseconds - last_signal <= nanoseconds_of_one_signal) return;
  ++signals_came;
  last_signal = nanoseconds;
}

/// Does not return: the child becomes the command.
[[noreturn]] void become(const std::vector<std::string>& command, pid_t parent, bool silent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(not_started);  // it is gone already
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(null, STDIN_FILENO);
  if (silent) {
    ::dup2(null, STDOUT_FILENO);
    ::dup2(null, STDERR_FILENO);
  }
  for (const int signal : relayed) {
    if (signal != SIGHUP)
      ::signal(signal, SIG_DFL);  // exec resets what is handled, and leaves what is ignored
  }
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  ::_exit(not_started);
}

pid_t start(const std::vector<std::string>& command, bool silent) {
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error(std::string("cannot start a process: ") + std::strerror(errno));
  if (child == 0) become(command, parent, silent);
  ::setpgid(child, child);  // whichever of both comes first
  return child;
}

/// The exit status, if the child has ended.
std::optional<int> status_of(pid_t child) {
  int status = 0;
  const pid_t ended = ::waitpid(child, &status, WNOHANG);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return std::nullopt;
  if (ended < 0) return 1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Parent and name of every process, as far as /proc shows it. Those that have ended and that only their
/// parent still has to ask for are left out.
std::map<pid_t, std::pair<pid_t, std::string>> processes() {
  std::map<pid_t, std::pair<pid_t, std::string>> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const int process = std::atoi(entry.path().filename().c_str());
    std::string line;
    std::ifstream file(entry.path() / "stat");
    if (process <= 0 || !std::getline(file, line)) continue;
    // "12 (name) S 7 …": the name may hold anything.
    const std::size_t open = line.find('('), close = line.rfind(')');
    if (close == std::string::npos || close + 4 > line.size() || line[close + 2] == 'Z') continue;
    found[process] = {std::atoi(line.c_str() + close + 4), line.substr(open + 1, close - open - 1)};
  }
  return found;
}

/// The names of all processes that another one started, directly or not.
std::map<pid_t, std::string> descendants(pid_t ancestor) {
  const auto all = processes();
  std::map<pid_t, std::string> found;
  for (const auto& [process, parent_and_name] : all) {
    pid_t above = parent_and_name.first;
    for (auto parent = all.find(above); above != ancestor && parent != all.end(); parent = all.find(above)) {
      above = parent->second.first;
    }
    if (above == ancestor) found[process] = parent_and_name.second;
  }
  return found;
}

bool has_descendant(pid_t ancestor, const std::string& name) {
  return std::ranges::any_of(descendants(ancestor), [&](const auto& entry) { return entry.second == name; });
}

/// mpirun may wait a quarter of an hour for a host that is cut off although all ranks have ended, or block
/// for ever in its own end. Ranks that are not below the launcher (srun's, those of other hosts) are not
/// seen, and then nothing is concluded. Ranks may end soon after they began, so it is looked often at first.
class LocalRanks {
 public:
  explicit LocalRanks(pid_t launcher) : launcher_(launcher) {}

  /// Whether there were ranks, and for some time there are none any more.
  bool are_gone_for_long() {
    if (Clock::now() < next_look_) return false;
    if (has_descendant(launcher_, program_invocation_short_name)) {
      last_seen_ = Clock::now();
      if (!seen_) begun_at_ = last_seen_ + time_between_repeats;
      seen_ = true;
    }
    const bool often = !seen_ && Clock::now() - started_ < time_to_begin;
    next_look_ = Clock::now() + (often ? std::chrono::milliseconds(100) : std::chrono::seconds(1));
    return seen_ && Clock::now() - last_seen_ > time_without_ranks;
  }

  /// Whether a signal reaches them: mpirun forgets one that comes before it has started all ranks.
  bool have_begun() const { return Clock::now() > begun_at_; }

 private:
  pid_t launcher_;
  Clock::time_point started_ = Clock::now(), next_look_ = started_;
  Clock::time_point last_seen_ = next_look_;
  Clock::time_point begun_at_ = started_ + time_to_begin;
  bool seen_ = false;
};

}  // namespace

void say(const std::string& text) {
  std::cerr << "lockstep launch: " << printable(text) << std::endl;
}

bool is_program(const std::string& name) {
  const auto can_be_started = [](const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos) return can_be_started(name);
  const char* const path = std::getenv("PATH");
  const std::string directories = path == nullptr ? "" : path;
  for (std::size_t begin = 0; begin < directories.size();) {
    const std::size_t end = std::min(directories.find(':', begin), directories.size());
    if (can_be_started(directories.substr(begin, end - begin) + "/" + name)) return true;
    begin = end + 1;
  }
  return false;
}

SignalRelay::SignalRelay() {
  signals_came = 0;
  struct sigaction action {};
  action.sa_handler = count_signal;
  sigemptyset(&action.sa_mask);
  for (const int signal : relayed) sigaddset(&action.sa_mask, signal);
  for (std::size_t i = 0; i < relayed.size(); ++i) {
    ::sigaction(relayed[i], nullptr, &former[i]);
    const bool under_nohup = relayed[i] == SIGHUP && former[i].sa_handler == SIG_IGN;
    if (!under_nohup) ::sigaction(relayed[i], &action, nullptr);
  }
}

SignalRelay::~SignalRelay() {
  for (std::size_t i = 0; i < relayed.size(); ++i) ::sigaction(relayed[i], &former[i], nullptr);
}

int SignalRelay::count() const {
  return signals_came;
}

int run_supervised(const std::vector<std::string>& command, const SignalRelay& relay) {
  const pid_t child = start(command, /*silent=*/false);
  int passed_on = 0;
  constexpr Clock::time_point never = Clock::time_point::max();
  Clock::time_point ask_at = never, kill_at = never;
  LocalRanks ranks(child);
  for (;;) {
    if (const auto status = status_of(child)) return *status;
    if (relay.count() > passed_on) {
      ++passed_on;
      ask_at = passed_on == 1 ? Clock::now() : never;
      if (passed_on == 1) {
        say("a signal came and is passed on: train and sweep stop after a step, with a checkpoint; another "
            "one, a second later or more, ends the job");
      }
      if (passed_on == 2) {
        ::kill(child, SIGTERM);
        kill_at = Clock::now() + time_after_sigterm;
      }
      if (passed_on == 3) kill_at = Clock::now();
    }
    if (Clock::now() >= ask_at) {
      ::kill(child, SIGUSR1);
      ask_at = ranks.have_begun() ? never : Clock::now() + time_between_repeats;
    }
    const bool blocks = ranks.are_gone_for_long();
    if (blocks) say("all ranks have ended, and " + command.front() + " has not: it is killed");
    if (blocks || Clock::now() >= kill_at) ::kill(-child, SIGKILL);
    std::this_thread::sleep_for(look_interval);
  }
}

void sleep_unless_signalled(double seconds, const SignalRelay& relay) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (relay.count() == 0 && Clock::now() < end) std::this_thread::sleep_for(look_interval);
}

std::optional<bool> succeeds_within(const std::vector<std::string>& command, double seconds,
                                    const SignalRelay* relay) {
  const pid_t child = start(command, /*silent=*/true);
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end && (relay == nullptr || relay->count() == 0)) {
    if (const auto status = status_of(child)) return *status == 0;
    std::this_thread::sleep_for(look_interval);
  }
  if (const auto status = status_of(child)) return *status == 0;
  // mpirun puts its remote shells into groups of their own.
  const auto left_behind = descendants(child);
  ::kill(-child, SIGKILL);  // first, or it might start another
  for (const auto& [process, name] : left_behind) ::kill(process, SIGKILL);
  int ignored = 0;
  ::waitpid(child, &ignored, 0);
  return std::nullopt;
}

}  // namespace lockstep
