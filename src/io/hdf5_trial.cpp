#include "hdf5_trial.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <new>
#include <optional>
#include <stdexcept>
#include <vector>

#include "lockstep/core/error.hpp"

namespace lockstep {
namespace {

// Limits of the child: of computing, for a slow disk may take longer, and of memory beside what the parent
// has. Arrays in one compressed piece are uncompressed as a whole, with copies, so that both grow with the
// file.
constexpr rlim_t least_seconds = 10, bytes_per_second = 50'000'000;
constexpr rlim_t least_new_bytes = rlim_t{1} << 30, new_bytes_per_byte = 16;
// What is not read by then stays untried.
constexpr std::clock_t enough_computing = 3 * CLOCKS_PER_SEC;
constexpr int trial_depth = 32;
constexpr std::size_t trial_objects = 10'000;
constexpr std::size_t most_row_bytes = std::size_t{64} << 20;

/// What the child says at its end.
constexpr char well = 'w', out_of_memory = 'm';

bool memory_ran_out = false;

herr_t note_lack_of_memory(unsigned, const H5E_error2_t* entry, void*) {
  if (entry->maj_num == H5E_RESOURCE && (entry->min_num == H5E_NOSPACE || entry->min_num == H5E_CANTALLOC)) {
    memory_ran_out = true;
  }
  return 0;
}

herr_t look_at_errors(hid_t stack, void*) {
  return H5Ewalk2(stack, H5E_WALK_UPWARD, note_lack_of_memory, nullptr);
}

/// A refusal by HDF5 or by lockstep is as good an end as any here.
template <class Function>
void unless_refused(Function&& function) {
  try {
    function();
  } catch (const UserError&) {
  }
}

/// The walk over everything that hard links lead to.
struct Trial {
  hid_t file;
  const std::string& file_name;
  std::size_t objects = 0;

  void read_attribute(hid_t object, const std::string& name) {
    const Hdf5Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose);
    if (!attribute) return;
    const Hdf5Handle type(H5Aget_type(attribute.get()), H5Tclose);
    unless_refused([&] {
      if (H5Tget_class(type.get()) == H5T_STRING) {
        read_texts_attribute(object, name, file_name);
      } else {
        read_numbers_attribute<double>(object, name, file_name);
      }
    });
  }

  void read_rows(const std::string& path) {
    const Hdf5Array array = open_array(file, path, file_name);
    if (array.shape.empty() || array.elements() == 0) return;
    const std::size_t row_bytes = array.row_elements() * sizeof(double);
    if (row_bytes > most_row_bytes) return;
    std::vector<std::byte> row(row_bytes);
    for (const std::size_t at : {std::size_t{0}, array.shape[0] - 1}) {
      unless_refused([&] { read_row_block(array, memory_type(ElementType::float64), at, 1, row.data()); });
    }
  }

  void read_object(const std::string& path, int depth) {
    const bool enough = std::clock() > enough_computing;
    if (enough || depth > trial_depth || ++objects > trial_objects) return;
    const Hdf5Handle object(H5Oopen(file, path.c_str(), H5P_DEFAULT), H5Oclose);
    if (!object) return;
    std::vector<std::string> names;
    unless_refused([&] { names = attribute_names(object.get(), file_name); });
    for (const std::string& name : names) read_attribute(object.get(), name);
    if (H5Iget_type(object.get()) == H5I_DATASET) unless_refused([&] { read_rows(path); });
    if (H5Iget_type(object.get()) != H5I_GROUP) return;
    std::vector<Hdf5Link> links;
    unless_refused([&] { links = list_links(object.get(), file_name); });
    for (const Hdf5Link& link : links) {
      if (link.is_hard) read_object((path == "/" ? path : path + "/") + link.name, depth + 1);
    }
  }
};

rlim_t most_seconds(rlim_t file_bytes) {
  constexpr rlim_t day = 86'400;  // sizes of sparse files know no limit
  return std::min(least_seconds + file_bytes / bytes_per_second, day);
}

rlim_t most_new_bytes(rlim_t file_bytes) {
  return least_new_bytes + new_bytes_per_byte * file_bytes;
}

void lower_limit(auto which, rlim_t most) {
  rlimit limit{};
  ::getrlimit(which, &limit);
  limit.rlim_cur = std::min(limit.rlim_cur, most);
  ::setrlimit(which, &limit);
}

void set_limits(pid_t parent, rlim_t file_bytes) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // it is gone already, and its locks are not to outlive it
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGILL}) ::signal(signal, SIG_DFL);
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  lower_limit(RLIMIT_AS, pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + most_new_bytes(file_bytes));
  lower_limit(RLIMIT_CPU, most_seconds(file_bytes));
  lower_limit(RLIMIT_CORE, 0);
  // glibc tells on standard error what it finds wrong with the heap.
  if (std::freopen("/dev/null", "w", stderr) == nullptr) ::close(STDERR_FILENO);
}

/// Does not return: the destructors of what the parent has are not for the child to run.
[[noreturn]] void read_and_end(const std::string& path, rlim_t file_bytes, pid_t parent, int answers) {
  try {
    set_limits(parent, file_bytes);
    H5Eset_auto2(H5E_DEFAULT, look_at_errors, nullptr);
    unless_refused([&] {
      const Hdf5Handle file = open_hdf5_untried(path);
      Trial{file.get(), path}.read_object("/", 0);
    });
    H5garbage_collect();  // a heap that was damaged is often found out by what is freed
  } catch (const std::bad_alloc&) {
    memory_ran_out = true;
  } catch (const std::length_error&) {
    memory_ran_out = true;
  } catch (...) {
    ::_exit(1);  // or the child would go on as a rank
  }
  const char answer = memory_ran_out ? out_of_memory : well;
  ::_exit(::write(answers, &answer, 1) == 1 ? 0 : 1);
}

/// 0 if the child was ended by a signal or did not say anything, nothing if it has not come to an end after
/// ten times what it may compute: a lock that another thread of the parent held while it forked blocks the
/// child for ever.
std::optional<char> answer_of(int answers, rlim_t file_bytes) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(10 * most_seconds(file_bytes));
  const auto time_left = [&] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now())
        .count();
  };
  pollfd ready{answers, POLLIN, 0};
  while (::poll(&ready, 1, static_cast<int>(std::clamp<std::int64_t>(time_left(), 0, 60'000))) <= 0) {
    if (time_left() <= 0) return std::nullopt;
  }
  char answer = 0;
  while (::read(answers, &answer, 1) < 0 && errno == EINTR) {
  }
  return answer;
}

/// What tells one content of a file from another, as make and rsync do.
struct Identity {
  dev_t device;
  ino_t file;
  off_t bytes;
  timespec changed, written;
};

bool equal(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool operator==(const Identity& a, const Identity& b) {
  return a.device == b.device && a.file == b.file && a.bytes == b.bytes && equal(a.changed, b.changed) &&
         equal(a.written, b.written);
}

std::optional<Identity> identity_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return Identity{status.st_dev, status.st_ino, status.st_size, status.st_ctim, status.st_mtim};
}

/// Functions that open a file one after the other need no more than one trial.
std::optional<Identity> last_tried;

/// How a trial ended.
struct TrialEnd {
  std::optional<char> answer;  // nothing if it could not be begun or did not come to an end
  std::string text = "no answer";
  bool computed_too_long = false;
};

TrialEnd end_of(pid_t child) {
  int status = 0;
  pid_t ended = 0;
  do ended = ::waitpid(child, &status, 0);
  while (ended < 0 && errno == EINTR);
  if (ended != child || !WIFSIGNALED(status)) return {};
  return {std::nullopt, ::strsignal(WTERMSIG(status)), WTERMSIG(status) == SIGXCPU};
}

TrialEnd run_trial(const std::string& path, rlim_t file_bytes) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return {};
  // Memory that a network card knows stays the parent's: Open MPI asks for that, and so do kernels from 5.12
  // on.
  const pid_t parent = ::getpid(), child = ::fork();
  if (child == 0) read_and_end(path, file_bytes, parent, pipe[1]);
  ::close(pipe[1]);
  const std::optional<char> answer = child > 0 ? answer_of(pipe[0], file_bytes) : std::nullopt;
  ::close(pipe[0]);
  if (child < 0) return {};
  if (!answer) ::kill(child, SIGKILL);
  TrialEnd end = end_of(child);
  end.answer = answer;
  return end;
}

}  // namespace

void trust_hdf5(const std::string& path) {
  last_tried = identity_of(path);
}

void try_hdf5(const std::string& path) {
  const std::optional<Identity> identity = identity_of(path);
  if (identity && last_tried == identity) return;
  const rlim_t file_bytes = identity ? static_cast<rlim_t>(identity->bytes) : 0;
  TrialEnd trial = run_trial(path, file_bytes);
  // A machine that stood still meanwhile, or a lock that a thread of the parent held while it forked, looks
  // the same as a file that makes libhdf5 loop: two have to say so.
  if (trial.computed_too_long) trial = run_trial(path, file_bytes);
  if (!trial.answer) return;
  if (trial.answer == well) {
    last_tried = identity;
    return;
  }
  throw FileError(path + ": damaged HDF5 file: " +
                  (trial.answer == out_of_memory
                       ? "what it says of itself takes more than " +
                             std::to_string(most_new_bytes(file_bytes) >> 20) + " MiB of memory"
                       : "the HDF5 library does not survive reading it (" + trial.text + ")"));
}

}  // namespace lockstep
