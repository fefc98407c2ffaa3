#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "lockstep/dist/work_board.hpp"
#include "lockstep/sweep/ledger.hpp"

namespace lockstep {

/// What the groups of a job tell each other: which run comes next, and how the runs stand.
class SweepBoard {
 public:
  struct State {
    TrialStatus status = TrialStatus::waiting;
    bool elsewhere = false;  // another job has it
    double value = 0;
  };

  /// Collective.
  SweepBoard(const Communicator& world, std::size_t rounds, std::size_t runs)
      : rounds_(rounds), runs_(runs), board_(world, rounds + 1 + 2 * runs) {}

  /// The next run of a round, counted from 0; beyond the last one where there are no more.
  std::uint64_t draw(std::size_t round) const {
    return static_cast<std::uint64_t>(board_.fetch_and_add(round, 1));
  }
  /// No group draws anything any more, and those at work stop.
  void stop() const {
    board_.fetch_and_add(rounds_, 1);
    for (std::size_t round = 0; round < rounds_; ++round) board_.fetch_and_add(round, beyond_all);
  }
  bool stopped() const { return board_.fetch_and_add(rounds_, 0) > 0; }
  void set(std::size_t run, const State& state) const {
    const std::int64_t words[] = {
        static_cast<std::int64_t>(state.status) + (state.elsewhere ? elsewhere_mark : 0),
        std::bit_cast<std::int64_t>(state.value)};
    board_.put(first_word(run), words);
  }
  std::vector<State> states() const {
    const std::vector<std::int64_t> words = board_.read();
    std::vector<State> states(runs_);
    for (std::size_t run = 0; run < runs_; ++run) {
      const std::int64_t* const mine = words.data() + first_word(run);
      states[run].elsewhere = mine[0] >= elsewhere_mark;
      states[run].status = static_cast<TrialStatus>(mine[0] % elsewhere_mark);
      states[run].value = std::bit_cast<double>(mine[1]);
    }
    return states;
  }
  /// Lets the other ranks get on with the board.
  void progress() const { board_.progress(); }

 private:
  static constexpr std::int64_t beyond_all = std::int64_t{1} << 40;
  static constexpr std::int64_t elsewhere_mark = 100;

  std::size_t first_word(std::size_t run) const { return rounds_ + 1 + 2 * run; }

  std::size_t rounds_, runs_;
  WorkBoard board_;
};

}  // namespace lockstep
