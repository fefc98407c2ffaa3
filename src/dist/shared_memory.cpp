#include "lockstep/dist/shared_memory.hpp"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <utility>

#include "lockstep/core/checked_cast.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/mpi_error.hpp"

namespace lockstep {
namespace {

constexpr std::size_t page_bytes = 4096;
// What Open MPI adds to a window's file, and to spare.
constexpr std::size_t window_overhead_bytes = std::size_t{1} << 20;

std::size_t whole_pages(std::size_t bytes) {
  return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

/// The first page boundary in a window that is one page longer than asked for. All processes map it at the
/// same place within a page, so they agree.
std::byte* first_page(void* base) {
  const auto address = reinterpret_cast<std::uintptr_t>(base);
  return static_cast<std::byte*>(base) + (whole_pages(address) - address);
}

/// Where Open MPI puts the files behind its windows.
const char* window_directory() {
  const char* const chosen = std::getenv("OMPI_MCA_osc_sm_backing_directory");
  return chosen == nullptr ? "/dev/shm" : chosen;
}

}  // namespace

SharedMemory::SharedMemory(const Communicator& group, std::size_t bytes) {
  if (group.size() == 1) {
    private_.reset(static_cast<std::byte*>(std::aligned_alloc(page_bytes, whole_pages(bytes))));
    data_ = private_.get();
    if (data_ == nullptr) throw std::bad_alloc();
    std::memset(data_, 0, bytes);
    return;
  }
  // The first rank has it all: one contiguous piece, whose pages nevertheless go to whom writes them first.
  const auto length = group.is_root() ? checked_cast<MPI_Aint>(bytes + page_bytes, "the window's length") : 0;
  void* base = nullptr;
  check_mpi(
      MPI_Win_allocate_shared(length, 1, MPI_INFO_NULL, group.handle(), static_cast<void*>(&base), &window_),
      "MPI_Win_allocate_shared");
  MPI_Aint root_length = 0;
  int unit = 0;
  check_mpi(MPI_Win_shared_query(window_, 0, &root_length, &unit, static_cast<void*>(&base)),
            "MPI_Win_shared_query");
  data_ = first_page(base);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : private_(std::move(other.private_)),
      window_(std::exchange(other.window_, MPI_WIN_NULL)),
      data_(std::exchange(other.data_, nullptr)) {}

SharedMemory::~SharedMemory() {
  // MPI_Win_free is collective: while an exception passes, the other ranks may be elsewhere.
  if (window_ != MPI_WIN_NULL && std::uncaught_exceptions() == 0) MPI_Win_free(&window_);
}

void SharedMemory::Free::operator()(std::byte* memory) const {
  std::free(memory);
}

std::string shared_memory_shortage(std::size_t bytes) {
  constexpr std::size_t reserve = std::size_t{16} << 20;  // others use the file system too
  const std::string directory = window_directory();
  struct statvfs found {};
  if (statvfs(directory.c_str(), &found) != 0 || ::access(directory.c_str(), W_OK | X_OK) != 0)
    return directory + ": " + std::strerror(errno);
  const std::size_t free_bytes = found.f_bavail * found.f_frsize;
  const std::size_t wanted = bytes + bytes / 20;  // by which Open MPI refuses a window
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < wanted + window_overhead_bytes)
    return "files can have " + format_bytes(limit.rlim_cur) + " (ulimit -f), expected " +
           format_bytes(wanted);
  if (wanted <= free_bytes && free_bytes - wanted >= reserve) return "";
  return directory + " has " + format_bytes(free_bytes) + " free, expected " +
         (bytes > 0 ? format_bytes(wanted) + " and " : "") + format_bytes(reserve) + " to spare";
}

bool take_pages(std::span<std::byte> memory) {
  const auto begin = reinterpret_cast<std::uintptr_t>(memory.data()) / page_bytes * page_bytes;
  const auto end = reinterpret_cast<std::uintptr_t>(memory.data() + memory.size());
  auto* const pages = reinterpret_cast<std::byte*>(begin);
  const std::size_t bytes = whole_pages(end - begin);
  if (memory.empty() || ::madvise(pages, bytes, MADV_POPULATE_WRITE) == 0) return true;
  if (errno != EINVAL) return false;
  for (std::size_t page = 0; page < bytes; page += page_bytes) {
    std::atomic_ref(reinterpret_cast<unsigned char&>(pages[page])).fetch_or(0);
  }
  return true;
}

}  // namespace lockstep
