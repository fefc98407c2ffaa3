#include "lockstep/dist/signs_of_life.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "lockstep/core/seconds_since.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/mpi_error.hpp"

namespace lockstep {
namespace {

constexpr int rank_that_answers = 0;
constexpr int sign_tag = 1, answer_tag = 2;
// Between two signs.
constexpr double shortest_interval_seconds = 0.1, longest_interval_seconds = 1;
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
      works_(hosts_.size()),
      answers_(hosts_.size(), MPI_REQUEST_NULL),
      answered_(hosts_.size()) {}

SignsOfLife::~SignsOfLife() {
  // While an exception passes, the others may be elsewhere.
  if (std::uncaught_exceptions() > 0) return;
  MPI_Wait(&waiting_for_answer_, MPI_STATUS_IGNORE);
  MPI_Wait(&showing_, MPI_STATUS_IGNORE);
  try {
    channel_.patient_barrier([this] {
      if (channel_.is_root()) answer_others();
    });
  } catch (const MpiError& error) {
    std::fprintf(stderr, "lockstep: rank %d on %s: %s\n", channel_.rank(), channel_.host().c_str(),
                 error.what());
    end_all(channel_, ExitStatus::failure);
  }
  for (MPI_Request& answer : answers_) MPI_Wait(&answer, MPI_STATUS_IGNORE);
}

void SignsOfLife::exchange(int ranks, bool works) {
  // A process that was stopped and continued has not waited for the others all the time.
  const double passed = std::min(seconds_since(last_call_), interval_seconds_);
  last_call_ = Clock::now();
  if (channel_.is_root()) {
    for (double& seconds : silent_seconds_) seconds += passed;
    take_in(rank_that_answers, works ? ranks : -ranks);
    answer_others();
    return;
  }
  const bool answered = is_complete(waiting_for_answer_);
  silent_seconds_[rank_that_answers] = answered ? 0 : silent_seconds_[rank_that_answers] + passed;
  if (!answered) return;
  told_ = answer_;
  show(works ? ranks : -ranks);
}

/// A sign is how many ranks live, negative if they wait for others.
void SignsOfLife::take_in(int first, std::int32_t sign) {
  std::fill_n(silent_seconds_.begin() + first, std::abs(sign), 0);
  std::fill_n(works_.begin() + first, std::abs(sign), sign > 0);
}

void SignsOfLife::answer_others() {
  // A message that comes in while the first look is taken is seen by the second.
  for (int looks = 0; looks < 2;) {
    int found = 0;
    MPI_Message message = MPI_MESSAGE_NULL;
    MPI_Status status;
    check_mpi(MPI_Improbe(MPI_ANY_SOURCE, sign_tag, channel_.handle(), &found, &message, &status),
              "MPI_Improbe");
    if (found == 0) {
      ++looks;
      continue;
    }
    std::int32_t sign = 0;
    check_mpi(MPI_Mrecv(&sign, 1, MPI_INT32_T, &message, MPI_STATUS_IGNORE), "MPI_Mrecv");
    take_in(status.MPI_SOURCE, sign);
    // It shows itself again only after it had the answer before.
    MPI_Request& answer = answers_[static_cast<std::size_t>(status.MPI_SOURCE)];
    check_mpi(MPI_Wait(&answer, MPI_STATUS_IGNORE), "MPI_Wait");
    std::int32_t& word = answered_[static_cast<std::size_t>(status.MPI_SOURCE)];
    word = told_;
    check_mpi(MPI_Isend(&word, 1, MPI_INT32_T, status.MPI_SOURCE, answer_tag, channel_.handle(), &answer),
              "MPI_Isend");
  }
}

void SignsOfLife::show(std::int32_t sign) {
  if (!is_complete(showing_) || seconds_since(last_shown_) < interval_seconds_) return;
  last_shown_ = Clock::now();
  shown_ = sign;
  check_mpi(MPI_Irecv(&answer_, 1, MPI_INT32_T, rank_that_answers, answer_tag, channel_.handle(),
                      &waiting_for_answer_),
            "MPI_Irecv");
  check_mpi(MPI_Isend(&shown_, 1, MPI_INT32_T, rank_that_answers, sign_tag, channel_.handle(), &showing_),
            "MPI_Isend");
}

std::string SignsOfLife::missing() const {
  std::vector<std::string> ranks;
  for (std::size_t rank = 0; rank < hosts_.size(); ++rank) {
    if (silent_seconds_[rank] >= longest_silence_seconds_) {
      ranks.push_back("rank " + std::to_string(rank) + " on " + hosts_[rank]);
    } else if (works_[rank]) {
      return "";
    }
  }
  if (ranks.empty()) return "";
  return "no sign of life for " + format_exact(longest_silence_seconds_) +
         " s (twice --stall-timeout, at least 2 s) from " + join(ranks, ", ");
}

}  // namespace lockstep
