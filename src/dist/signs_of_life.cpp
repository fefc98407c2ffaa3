#include "lockstep/dist/signs_of_life.hpp"

#include <algorithm>
#include <exception>

#include "lockstep/core/seconds_since.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/mpi_error.hpp"

namespace lockstep {
namespace {

constexpr int rank_that_answers = 0;
constexpr int sign_tag = 1, answer_tag = 2;
// Between two signs.
constexpr double shortest_interval_seconds = 0.1, longest_interval_seconds = 10;
// A rank that gets no core for some intervals is there.
constexpr double least_limit_seconds = 2;

bool is_complete(MPI_Request& request) {
  int done = 0;
  check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
  return done != 0;
}

}  // namespace

SignsOfLife::SignsOfLife(const Communicator& world, double timeout_seconds)
    : channel_(world.split(0)),
      hosts_(world.all_gather_text(world.host())),
      interval_seconds_(std::clamp(timeout_seconds / 8, shortest_interval_seconds, longest_interval_seconds)),
      longest_silence_seconds_(std::max(2 * timeout_seconds, least_limit_seconds)),
      silent_seconds_(hosts_.size()),
      answers_(hosts_.size(), MPI_REQUEST_NULL) {}

SignsOfLife::~SignsOfLife() {
  // While an exception passes, the others may be elsewhere.
  if (std::uncaught_exceptions() > 0) return;
  MPI_Wait(&waiting_for_answer_, MPI_STATUS_IGNORE);
  MPI_Wait(&showing_, MPI_STATUS_IGNORE);
  channel_.patient_barrier([this] {
    if (channel_.is_root()) answer_others();
  });
  for (MPI_Request& answer : answers_) MPI_Wait(&answer, MPI_STATUS_IGNORE);
}

void SignsOfLife::exchange(int ranks) {
  // A process that was stopped and continued has not waited for the others all the time.
  const double passed = std::min(seconds_since(last_call_), interval_seconds_);
  last_call_ = Clock::now();
  if (channel_.is_root()) {
    for (double& seconds : silent_seconds_) seconds += passed;
    std::fill_n(silent_seconds_.begin(), ranks, 0);
    answer_others();
  } else {
    silent_seconds_[rank_that_answers] =
        waiting_for_answer_ == MPI_REQUEST_NULL ? 0 : silent_seconds_[rank_that_answers] + passed;
    show(ranks);
  }
}

void SignsOfLife::answer_others() {
  for (;;) {
    int found = 0;
    MPI_Message message = MPI_MESSAGE_NULL;
    MPI_Status status;
    check_mpi(MPI_Improbe(MPI_ANY_SOURCE, sign_tag, channel_.handle(), &found, &message, &status),
              "MPI_Improbe");
    if (found == 0) return;
    std::int32_t ranks = 0;
    check_mpi(MPI_Mrecv(&ranks, 1, MPI_INT32_T, &message, MPI_STATUS_IGNORE), "MPI_Mrecv");
    const auto source = static_cast<std::size_t>(status.MPI_SOURCE);
    std::fill_n(silent_seconds_.begin() + status.MPI_SOURCE, ranks, 0);
    // It shows itself again only after it had the answer before.
    check_mpi(MPI_Wait(&answers_[source], MPI_STATUS_IGNORE), "MPI_Wait");
    check_mpi(MPI_Isend(&answer_, 1, MPI_INT32_T, status.MPI_SOURCE, answer_tag, channel_.handle(),
                        &answers_[source]),
              "MPI_Isend");
  }
}

void SignsOfLife::show(int ranks) {
  if (!is_complete(waiting_for_answer_) || !is_complete(showing_)) return;
  if (seconds_since(last_shown_) < interval_seconds_) return;
  last_shown_ = Clock::now();
  shown_ = ranks;
  check_mpi(MPI_Irecv(&answer_, 1, MPI_INT32_T, rank_that_answers, answer_tag, channel_.handle(),
                      &waiting_for_answer_),
            "MPI_Irecv");
  check_mpi(MPI_Isend(&shown_, 1, MPI_INT32_T, rank_that_answers, sign_tag, channel_.handle(), &showing_),
            "MPI_Isend");
}

std::string SignsOfLife::missing() const {
  std::vector<std::string> ranks;
  for (std::size_t rank = 0; rank < hosts_.size(); ++rank) {
    if (silent_seconds_[rank] >= longest_silence_seconds_)
      ranks.push_back("rank " + std::to_string(rank) + " on " + hosts_[rank]);
  }
  if (ranks.empty()) return "";
  return "no sign of life for " + format_exact(longest_silence_seconds_) +
         " s (twice --stall-timeout) from " + join(ranks, ", ");
}

}  // namespace lockstep
