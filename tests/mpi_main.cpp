#include <gtest/gtest.h>
#include <mpi.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>

#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/communicator.hpp"
#include "lockstep/dist/environment.hpp"
#include "lockstep/dist/mpi_error.hpp"

/// GoogleTest under MPI: every rank runs every test, and a test passes if it passes on all ranks. Rank 0
/// prints, other ranks print their failures. A rank that leaves a test while others wait in it ends the job
/// instead of hanging it.
namespace lockstep {
namespace {

constexpr std::chrono::seconds longest_wait{60};

class RankListener : public ::testing::EmptyTestEventListener {
 public:
  explicit RankListener(const Communicator& world) : world_(world) {}

  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (world_.is_root() || !result.failed()) return;
    std::fprintf(stderr, "rank %d: %s:%d: Failure\n%s\n", world_.rank(),
                 result.file_name() == nullptr ? "?" : result.file_name(), result.line_number(),
                 result.message());
  }

  void OnTestEnd(const ::testing::TestInfo& test) override {
    const bool failed = test.result()->Failed();
    const int failures =
        count_over_ranks(failed ? 1 : 0, std::string(test.test_suite_name()) + "." + test.name());
    if (failures > 0 && !failed) ADD_FAILURE() << "failed on " << failures << " other ranks";
  }

 private:
  /// Has its own communicator, since another rank may be stuck in a collective function of the test.
  int count_over_ranks(int mine, const std::string& test) const {
    int sum = 0;
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Iallreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, world_.handle(), &request), "MPI_Iallreduce");
    const auto start = std::chrono::steady_clock::now();
    for (int done = 0; done == 0;) {
      check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
      if (done != 0) break;
      if (std::chrono::steady_clock::now() - start > longest_wait) {
        abort_all(world_, "other ranks do not come to the end of " + test, ExitStatus::failure);
      }
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return sum;
  }

  const Communicator& world_;
};

int run_tests() {
  const Communicator world = Communicator::world();
  ::testing::TestEventListeners& listeners = ::testing::UnitTest::GetInstance()->listeners();
  if (!world.is_root()) {
    delete listeners.Release(listeners.default_result_printer());
    GTEST_FLAG_SET(output, "");
  }
  listeners.Append(new RankListener(world));  // GoogleTest owns it
  // An exception that only one rank throws has to end the others too.
  GTEST_FLAG_SET(catch_exceptions, false);
  try {
    return RUN_ALL_TESTS();
  } catch (const std::exception& error) {
    abort_all(world, std::string("uncaught exception: ") + error.what(), ExitStatus::failure);
  } catch (...) {
    abort_all(world, "uncaught exception", ExitStatus::failure);
  }
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) {
  const lockstep::Environment environment;
  ::testing::InitGoogleTest(&argc, argv);
  return lockstep::run_tests();
}
