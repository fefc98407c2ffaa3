#pragma once

#include <mpi.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "lockstep/dist/communicator.hpp"

namespace lockstep {

/// By which ranks that work on their own know that the others are still there, whatever host these are on
/// (watchdogs see the ranks of their own host only): all show rank 0 that they live, and it answers.
class SignsOfLife {
 public:
  /// Collective, as the destructor is. A rank is missing after twice the timeout, or 2 s if that is longer,
  /// without a sign.
  SignsOfLife(const Communicator& world, double timeout_seconds);
  ~SignsOfLife();
  SignsOfLife(const SignsOfLife&) = delete;
  SignsOfLife& operator=(const SignsOfLife&) = delete;

  /// Not collective, and waits for nobody; to be called again and again. `ranks`: how many live, from this
  /// one on; those of a group that watches itself need no call of their own. `works`: whether they do, or
  /// wait for the others. Throws MpiError.
  void exchange(int ranks, bool works);
  /// Who is missing when nobody works any more, "no sign of life … from rank 2 on b"; empty if nobody is.
  /// Rank 0 knows of all, the others of rank 0.
  std::string missing() const;
  /// Rank 0's word to all, which they have with its next answers; 0 at first.
  void tell(std::int32_t word) { told_ = word; }
  std::int32_t told() const { return told_; }

 private:
  using Clock = std::chrono::steady_clock;
  void answer_others();
  void take_in(int first, std::int32_t sign);
  void show(std::int32_t sign);

  Communicator channel_;
  std::vector<std::string> hosts_;  // of each rank
  double interval_seconds_, longest_silence_seconds_;
  std::vector<double> silent_seconds_;  // of each rank
  std::vector<bool> works_;             // each rank, as it said last
  Clock::time_point last_call_{}, last_shown_{};
  std::vector<MPI_Request> answers_;    // on rank 0, to each rank
  std::vector<std::int32_t> answered_;  // what those say
  std::int32_t shown_ = 0, answer_ = 0, told_ = 0;
  MPI_Request showing_ = MPI_REQUEST_NULL, waiting_for_answer_ = MPI_REQUEST_NULL;
};

}  // namespace lockstep
