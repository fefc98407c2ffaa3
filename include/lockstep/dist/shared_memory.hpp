#pragma once

#include <mpi.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "lockstep/dist/communicator.hpp"

namespace lockstep {

/// Memory that all ranks of a group on one node read and write: an MPI shared window, or plain memory for a
/// group of one. Filled with zeros; which core's memory a page takes is settled by the rank that takes or
/// writes it first. Starts at a multiple of 4096 bytes. Ranks see each other's writes only as RankBarrier
/// says.
class SharedMemory {
 public:
  /// Collective over `group`, whose ranks are on one node. Throws MpiError.
  SharedMemory(const Communicator& group, std::size_t bytes);
  ~SharedMemory();
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&&) = delete;

  std::byte* data() const { return data_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Free> private_;
  MPI_Win window_ = MPI_WIN_NULL;
  std::byte* data_ = nullptr;
};

/// Why this node cannot hold so many bytes in shared windows, empty if it can. Writing to a window that the
/// file system behind it has no room for would end the process.
std::string shared_memory_shortage(std::size_t bytes);

/// Takes the pages that hold these bytes, zeros so far, from the operating system, on this core's memory;
/// what other processes take later leaves them alone. Returns whether it got them. Linux before 5.14 cannot
/// refuse them: there the process ends (SIGBUS).
bool take_pages(std::span<std::byte> memory);

}  // namespace lockstep
