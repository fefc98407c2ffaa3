#include "doctor_findings.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <tuple>

#include "lockstep/app/supervised_process.hpp"
#include "lockstep/core/build_id.hpp"
#include "lockstep/core/control_group.hpp"
#include "lockstep/core/products.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/core/version.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/environment.hpp"
#include "lockstep/io/dataset.hpp"
#include "lockstep/io/file_kind.hpp"
#include "lockstep/train/json_text.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using Level = Finding::Level;
using Findings = std::vector<Finding>;

bool is_set(const char* variable) {
  return std::getenv(variable) != nullptr;
}

// Starting.

void examine_launcher(const Communicator& world, Findings& findings) {
  if (const auto separate = find_separate_programs(world)) findings.push_back(*separate);
  if (!is_program("mpirun") && !is_program("srun")) {
    findings.push_back({Level::warning, "neither mpirun nor srun is in PATH: only one rank can be started",
                        "apt-get install openmpi-bin, or module load openmpi"});
  }
  if (::geteuid() == 0 && !(is_set("OMPI_ALLOW_RUN_AS_ROOT") && is_set("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"))) {
    findings.push_back({Level::warning, "mpirun refuses to start as root",
                        "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"});
  }
}

/// Runs end in time, with a checkpoint, if they know the time.
void examine_end_of_job(Findings& findings) {
  const bool slurm = is_set("SLURM_JOB_ID"), pbs = is_set("PBS_JOBID");
  if ((!slurm && !pbs) || is_set("SLURM_JOB_END_TIME") || is_set("LOCKSTEP_JOB_END_TIME")) return;
  findings.push_back(
      {Level::warning,
       fmt::format("runs do not know when this {} job ends, and have to hope for a signal",
                   slurm ? "Slurm" : "PBS"),
       slurm
           ? "export SLURM_JOB_END_TIME=$(date -d \"$(squeue -h -j $SLURM_JOB_ID -o %e)\" +%s), "
             "as scripts/slurm/train.sbatch does"
           : "export LOCKSTEP_JOB_END_TIME=$(($(date +%s) + SECONDS_LEFT)), as scripts/pbs/train.pbs does"});
}

// Cores.

void examine_cores(const Communicator& world, Findings& findings) {
  const unsigned cores = std::thread::hardware_concurrency();
  const double ranks = static_cast<double>(world.size()) / world.nodes();
  if (ranks > cores) {
    findings.push_back(
        {Level::warning, fmt::format("{:.0f} ranks a node share {} cores", ranks, cores),
         fmt::format("mpirun -n {}: at most one rank a core", cores * static_cast<unsigned>(world.nodes()))});
  }
  if (const auto allowed = control_group_limits().cores; allowed && ranks > *allowed) {
    findings.push_back(
        {Level::warning,
         fmt::format("{:.0f} ranks a node share {:.1f} cores that this container or job may use", ranks,
                     *allowed),
         fmt::format("docker run --cpus {0:.0f} …, or sbatch --cpus-per-task for {0:.0f} in all", ranks)});
  }
  if (world.size() > 1 && ranks <= cores && cores_of_this_rank() > 1) {
    findings.push_back(
        {Level::advice, "ranks are not bound to cores", "mpirun --bind-to core is often faster"});
  }
  if (world.size() == 1 && cores > 1) {
    findings.push_back({Level::advice, fmt::format("one rank uses one of {} cores", cores),
                        fmt::format("mpirun -n {} lockstep …", cores)});
  }
  for (const char* variable : {"OPENBLAS_CORETYPE", "OMP_PROC_BIND"}) {
    if (!is_set(variable)) continue;
    findings.push_back({Level::advice, fmt::format("{} is set to {}", variable, std::getenv(variable)),
                        fmt::format("unset {}, unless it is meant", variable)});
  }
}

// Memory and files.

/// Linux ends processes of a group that is full, with a SIGKILL that says nothing.
void examine_memory(const Communicator& world, Findings& findings) {
  constexpr std::size_t enough_for_rank = std::size_t{512} << 20;
  const ControlGroupLimits limits = control_group_limits();
  const int ranks = (world.size() + world.nodes() - 1) / world.nodes();
  const std::size_t enough = enough_for_rank * static_cast<std::size_t>(ranks);
  if (!limits.memory_bytes || *limits.available_memory_bytes >= enough) return;
  findings.push_back(
      {Level::warning,
       fmt::format("this container or job may use {}, of which {} are free, for {} ranks a node",
                   format_bytes(*limits.memory_bytes), format_bytes(*limits.available_memory_bytes), ranks),
       fmt::format("docker run --memory {0}m …, sbatch --mem {0}M, or fewer ranks a node",
                   (*limits.memory_bytes - *limits.available_memory_bytes + enough) >> 20)});
}

void examine_shared_memory(Findings& findings) {
  constexpr std::uintmax_t enough = std::uintmax_t{256} << 20;
  std::error_code error;
  const fs::space_info space = fs::space("/dev/shm", error);
  if (!error && space.available >= enough) return;
  findings.push_back({Level::warning,
                      error ? "/dev/shm is not there: ranks of a node exchange messages, which is slower"
                            : "/dev/shm has " + format_bytes(space.available) +
                                  " free: large networks will exchange messages",
                      "docker run --shm-size 2g …; as root: mount -o remount,size=2g /dev/shm; or rm what "
                      "others left in it"});
}

/// mpirun and its ranks meet there.
void examine_temporary_directory(Findings& findings) {
  constexpr std::uintmax_t enough = std::uintmax_t{16} << 20;
  std::error_code error;
  fs::path directory = "/tmp";
  for (const char* const variable : {"TMP", "TEMP", "TMPDIR"}) {
    const char* const chosen = std::getenv(variable);
    if (chosen != nullptr && *chosen != '\0') directory = chosen;
  }
  const bool usable = fs::is_directory(directory, error) && ::access(directory.c_str(), W_OK | X_OK) == 0;
  const fs::space_info space = fs::space(directory, error);
  if (usable && (error || space.available >= enough)) return;
  findings.push_back(
      {Level::warning,
       "mpirun keeps files in " + directory.string() + ", which " +
           (usable ? "has " + format_bytes(space.available) + " free" : "cannot be written"),
       "export TMPDIR=/var/tmp, or another directory of a local disk; or rm what others left in it"});
}

void examine_limits(Findings& findings) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    findings.push_back({Level::warning,
                        "each process can have " + format_bytes(limit.rlim_cur) +
                            " of addresses, of which shared memory and libraries take much",
                        "ulimit -v unlimited"});
  }
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1024) {
    findings.push_back(
        {Level::warning, fmt::format("only {} files may be open", limit.rlim_cur), "ulimit -n 4096"});
  }
  std::error_code ignored;
  if (fs::exists("/dev/infiniband", ignored) && ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
      limit.rlim_cur != RLIM_INFINITY) {
    findings.push_back(
        {Level::warning,
         "InfiniBand needs memory that stays in place, of which " + format_bytes(limit.rlim_cur) +
             " are allowed",
         "ulimit -l unlimited; for all: echo '* - memlock unlimited' >> /etc/security/limits.conf, and "
         "LimitMEMLOCK=infinity in slurmd.service"});
  }
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    findings.push_back({Level::warning, "files can have " + format_bytes(limit.rlim_cur) + " at most",
                        "ulimit -f unlimited"});
  }
}

/// Makes a file, which must not be there: others may write in this directory, too. Returns its descriptor, or
/// -1.
int make_probe(const std::string& path) {
  return ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/// What checkpoints and locks of run directories need, tried with a file of this process.
void try_file_system(const std::string& here, Findings& findings) {
  const std::string path =
      fmt::format("{}/.lockstep-doctor-{}-{}", here, static_cast<long>(::gethostid()), ::getpid());
  const int file = make_probe(path);
  const auto report = [&](const char* what, const char* consequence) {
    findings.push_back({Level::warning, fmt::format("{} has no {}: {}", here, what, std::strerror(errno)),
                        std::string(consequence) + "; --run-dir on another file system"});
  };
  if (file < 0) {
    findings.push_back(
        {Level::error, here + " takes no files: " + std::strerror(errno),
         "df -h ., df -i . and quota -s show who fills it; rm what is not needed, or --run-dir elsewhere"});
    return;
  }
  if (::fsync(file) != 0) report("fsync", "what was written may be lost when power is");
  if (::flock(file, LOCK_EX | LOCK_NB) != 0)
    report("locks (mount -o flock)", "two runs may write one directory at a time, which nothing refuses");
  const std::string link = path + "-link";
  if (::link(path.c_str(), link.c_str()) != 0)
    report("hard links", "the best and last checkpoint are copies, which take room and time");
  ::close(file);
  ::unlink(link.c_str());
  ::unlink(path.c_str());
}

void examine_directory(Findings& findings) {
  constexpr std::uintmax_t enough = std::uintmax_t{1} << 30;
  std::error_code error;
  const std::string here = fs::current_path(error).string();
  if (::access(".", W_OK) != 0) {
    findings.push_back({Level::error, here + " cannot be written: " + std::strerror(errno),
                        "cd $HOME, or lockstep train --run-dir $HOME/runs/NAME"});
    return;
  }
  const fs::space_info space = fs::space(".", error);
  if (!error && space.available < enough) {
    findings.push_back(
        {Level::warning, here + " has " + format_bytes(space.available) + " free",
         "df -h . and quota -s show who fills it; rm what is not needed, or --run-dir on another disk"});
  }
  try_file_system(here, findings);
}

void examine_network(const Communicator& world, Findings& findings) {
  if (world.nodes() == 1) return;
  std::string bridges;
  for (const char* name : {"docker0", "virbr0", "lxcbr0"}) {
    std::error_code ignored;
    if (fs::exists(std::string("/sys/class/net/") + name, ignored)) bridges += std::string(",") + name;
  }
  if (bridges.empty()) return;
  findings.push_back(
      {Level::warning, "there are networks that other hosts do not reach: " + bridges.substr(1),
       "mpirun --mca btl_tcp_if_exclude lo" + bridges + " --mca oob_tcp_if_exclude lo" + bridges});
}

// Between hosts.

void compare_texts(const Communicator& world, const std::string& mine, Level level, const std::string& what,
                   const std::string& mend, Findings& findings) {
  const std::vector<std::string> all = world.gather_text(mine);
  std::map<std::string, std::string> first;
  const std::vector<std::string> hosts = world.gather_text(world.host());
  for (std::size_t rank = 0; rank < all.size(); ++rank) first.emplace(all[rank], hosts[rank]);
  if (first.size() < 2) return;
  std::string list;
  for (const auto& [text, host] : first) list += (list.empty() ? "" : ", ") + text + " on " + host;
  findings.push_back({level, "hosts differ in " + what + ": " + list, mend});
}

/// Whether all hosts see a file that rank 0 makes.
void compare_directories(const Communicator& world, Findings& findings) {
  if (world.nodes() == 1) return;
  std::string probe;
  if (world.is_root()) {
    probe = (fs::current_path() / fmt::format(".lockstep-doctor-{}", ::getpid())).string();
    const int file = make_probe(probe);
    if (file < 0) probe.clear();
    if (file >= 0) ::close(file);
  }
  const std::string path = world.broadcast(probe);
  if (path.empty()) return;  // what rank 0 cannot write is no other host's fault
  std::error_code ignored;
  const bool seen = fs::exists(path, ignored);
  const std::vector<std::string> blind = world.gather_text(seen ? "" : world.host());
  world.barrier();
  if (!world.is_root()) return;
  fs::remove(probe, ignored);
  const std::set<std::string> hosts(blind.begin(), blind.end());
  for (const std::string& host : hosts) {
    if (host.empty()) continue;
    findings.push_back({Level::warning, host + " does not see the files of this directory",
                        "cd to a shared file system, or rsync -a DATASET " + host + ":" +
                            fs::path(path).parent_path().string()});
  }
}

/// Whether every rank reads the dataset file, and all the same one. Collective.
void compare_datasets(const Communicator& world, const std::string& path, Findings& findings) {
  std::string digest;
  bool is_readable = true;
  try {
    digest = read_dataset_info(path).sha256_all;
  } catch (const std::runtime_error& error) {
    is_readable = false;
    findings.push_back({Level::error, error.what(),
                        "a path that every host sees, or rsync -a DATASET HOST:; lockstep inspect --verify "
                        "FILE there looks at the file"});
  }
  if (world.all_reduce_min(is_readable ? 1 : 0) == 0) return;
  if (digest.empty() && world.nodes() > 1) {
    findings.push_back({Level::warning,
                        path + " has no digests: hosts cannot tell whether they have the same rows",
                        "lockstep convert --hdf5 " + path + " --output NEW"});
  }
  compare_texts(world, digest.empty() ? "no digest" : digest.substr(0, 12), Level::error,
                "the rows of " + path, "rsync -a DATASET HOST: from one host to the others", findings);
}

const char* level_name(Level level) {
  switch (level) {
    case Level::error:
      return "error";
    case Level::warning:
      return "warning";
    default:
      return "advice";
  }
}

}  // namespace

std::optional<Finding> find_separate_programs(const Communicator& world) {
  // mpirun knows better than the step of srun that may have started its daemons.
  const int started = is_set("OMPI_COMM_WORLD_SIZE") ? 1 : launched_ranks();
  if (world.size() > 1 || started == 1) return std::nullopt;
  if (is_set("SLURM_STEP_NUM_TASKS")) {
    return Finding{Level::error,
                   fmt::format("srun started {} programs that do not know of each other", started),
                   "srun --mpi=pmix lockstep … (srun --mpi=list shows what there is), or mpirun in the job; "
                   "unset SLURM_STEP_NUM_TASKS if each is to be on its own"};
  }
  return Finding{Level::error,
                 fmt::format("a launcher started {} programs that do not know of each other", started),
                 "the mpirun of " + mpi_library_version() + " (which mpirun; module list)"};
}

void refuse_separate_programs(const Communicator& world) {
  collectively(world, [&] {
    const auto separate = find_separate_programs(world);
    if (separate) throw UserError(separate->found + ": " + separate->mend);
  });
}

int cores_of_this_rank() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

std::optional<BlasIdentity> find_blas(std::string* why_not) {
  try {
    return blas_identity();
  } catch (const std::runtime_error& error) {
    if (why_not != nullptr) *why_not = error.what();
    return std::nullopt;
  }
}

std::vector<Finding> examine_host(const Communicator& world) {
  Findings findings;
  examine_launcher(world, findings);
  examine_end_of_job(findings);
  examine_cores(world, findings);
  examine_memory(world, findings);
  examine_shared_memory(findings);
  examine_temporary_directory(findings);
  examine_limits(findings);
  examine_directory(findings);
  examine_network(world, findings);
  std::string why_not;
  if (!find_blas(&why_not)) {
    findings.push_back({Level::warning, why_not, "apt-get install libopenblas0, for --arithmetic openblas"});
  }
  if (hdf5_identity().find("parallel") == std::string::npos) {
    findings.push_back(
        {Level::error, "HDF5 is built without MPI", "apt-get install libhdf5-openmpi-dev, and build again"});
  }
  return findings;
}

std::vector<Finding> compare_hosts(const Communicator& world, const std::string& data) {
  Findings findings;
  compare_texts(world, version() + " " + build_id().substr(0, 12), Level::error, "the program",
                "install the same build everywhere, e.g. on a shared file system", findings);
  compare_texts(world, mpi_library_version(), Level::error, "the MPI library",
                "module load the same one everywhere, in ~/.bashrc too; ldd lockstep shows which is taken",
                findings);
  compare_texts(world, hdf5_identity(), Level::warning, "HDF5",
                "module load the same one everywhere; ldd lockstep shows which is taken", findings);
  const BlasIdentity blas = find_blas().value_or(BlasIdentity());
  compare_texts(world, blas.version + " " + blas.core_name, Level::warning, "OpenBLAS",
                "--arithmetic exact (the default) does not depend on it", findings);
  compare_texts(world, instruction_set(), Level::error, "the instruction set",
                "mpirun -x LOCKSTEP_ISA=… the narrowest of these: exact computes the same bits with each",
                findings);
  compare_directories(world, findings);
  if (!data.empty()) compare_datasets(world, data, findings);
  return findings;
}

nlohmann::ordered_json gather_findings(const Communicator& world, const std::vector<Finding>& mine) {
  nlohmann::json sent = nlohmann::json::array();
  for (const Finding& finding : mine) {
    sent.push_back({static_cast<int>(finding.level), finding.found, finding.mend, world.host()});
  }
  const std::vector<std::string> texts = world.gather_text(json_text(sent));
  using Key = std::tuple<int, std::string, std::string>;
  std::map<Key, std::set<std::string>> hosts_of;
  for (const std::string& text : texts) {
    for (const nlohmann::json& entry : nlohmann::json::parse(text)) {
      hosts_of[{entry[0].get<int>(), entry[1].get<std::string>(), entry[2].get<std::string>()}].insert(
          entry[3].get<std::string>());
    }
  }
  nlohmann::ordered_json findings = nlohmann::ordered_json::array();
  for (const auto& [key, hosts] : hosts_of) {
    findings.push_back({{"level", level_name(static_cast<Level>(std::get<0>(key)))},
                        {"hosts", hosts},
                        {"found", std::get<1>(key)},
                        {"mend", std::get<2>(key)}});
  }
  return findings;
}

}  // namespace lockstep
