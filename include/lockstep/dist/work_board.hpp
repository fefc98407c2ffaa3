#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lockstep/dist/communicator.hpp"

namespace lockstep {

/// Whole numbers in the root's memory, zeros at first, that any rank reads and changes when it likes, each
/// one atomically: how groups of ranks that work on their own share out work. Only constructor and destructor
/// are collective. Between nodes the root has to call progress() every now and then, or any other function
/// of MPI, for the others to get on. Functions throw MpiError.
class WorkBoard {
 public:
  /// Collective.
  WorkBoard(const Communicator& world, std::size_t words);
  ~WorkBoard();
  WorkBoard(const WorkBoard&) = delete;
  WorkBoard& operator=(const WorkBoard&) = delete;

  /// Adds to a word; returns what it was before.
  std::int64_t fetch_and_add(std::size_t word, std::int64_t amount) const;
  void put(std::size_t first_word, std::span<const std::int64_t> values) const;
  /// All words.
  std::vector<std::int64_t> read() const;
  void progress() const;

 private:
  MPI_Comm communicator_;
  std::size_t words_;
  MPI_Win window_ = MPI_WIN_NULL;
};

}  // namespace lockstep
