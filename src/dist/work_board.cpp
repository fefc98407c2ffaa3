#include "lockstep/dist/work_board.hpp"

#include <algorithm>
#include <exception>
#include <string>

#include "lockstep/core/checked_cast.hpp"
#include "lockstep/dist/mpi_error.hpp"
#include "lockstep/dist/shared_memory.hpp"

namespace lockstep {
namespace {

constexpr int root = 0;

}  // namespace

WorkBoard::WorkBoard(const Communicator& world, std::size_t words)
    : communicator_(world.handle()), words_(words) {
  constexpr int unit = sizeof(std::int64_t);
  const auto bytes = checked_cast<MPI_Aint>(world.is_root() ? words * unit : 0, "the board's length");
  std::int64_t* base = nullptr;
  const int code =
      MPI_Win_allocate(bytes, unit, MPI_INFO_NULL, world.handle(), static_cast<void*>(&base), &window_);
  const std::string shortage = code == MPI_SUCCESS ? "" : shared_memory_shortage(words * unit);
  check_mpi(code, shortage.empty() ? "MPI_Win_allocate" : ("MPI_Win_allocate, where " + shortage).c_str());
  check_mpi(MPI_Win_set_errhandler(window_, MPI_ERRORS_RETURN), "MPI_Win_set_errhandler");
  check_mpi(MPI_Win_lock_all(MPI_MODE_NOCHECK, window_), "MPI_Win_lock_all");
  if (world.is_root()) {
    std::fill_n(base, words, 0);
    check_mpi(MPI_Win_sync(window_), "MPI_Win_sync");
  }
  world.barrier();
}

WorkBoard::~WorkBoard() {
  // MPI_Win_free is collective: while an exception passes, the other ranks may be elsewhere.
  if (std::uncaught_exceptions() > 0) return;
  MPI_Win_unlock_all(window_);
  MPI_Win_free(&window_);
}

std::int64_t WorkBoard::fetch_and_add(std::size_t word, std::int64_t amount) const {
  std::int64_t before = 0;
  check_mpi(
      MPI_Fetch_and_op(&amount, &before, MPI_INT64_T, root, static_cast<MPI_Aint>(word), MPI_SUM, window_),
      "MPI_Fetch_and_op");
  check_mpi(MPI_Win_flush(root, window_), "MPI_Win_flush");
  return before;
}

void WorkBoard::put(std::size_t first_word, std::span<const std::int64_t> values) const {
  const int count = checked_cast<int>(values.size(), "the number of words");
  check_mpi(MPI_Accumulate(values.data(), count, MPI_INT64_T, root, static_cast<MPI_Aint>(first_word), count,
                           MPI_INT64_T, MPI_REPLACE, window_),
            "MPI_Accumulate");
  check_mpi(MPI_Win_flush(root, window_), "MPI_Win_flush");
}

std::vector<std::int64_t> WorkBoard::read() const {
  const int count = checked_cast<int>(words_, "the number of words");
  std::vector<std::int64_t> words(words_), unused(words_);
  check_mpi(MPI_Get_accumulate(unused.data(), count, MPI_INT64_T, words.data(), count, MPI_INT64_T, root, 0,
                               count, MPI_INT64_T, MPI_NO_OP, window_),
            "MPI_Get_accumulate");
  check_mpi(MPI_Win_flush(root, window_), "MPI_Win_flush");
  return words;
}

void WorkBoard::progress() const {
  int found = 0;
  check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, communicator_, &found, MPI_STATUS_IGNORE), "MPI_Iprobe");
}

}  // namespace lockstep
