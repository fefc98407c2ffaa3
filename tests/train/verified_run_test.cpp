#include <gtest/gtest.h>
#include <mpi.h>

#include <cmath>
#include <optional>

#include "lockstep/dist/agreement.hpp"
#include "lockstep/train/trainer.hpp"
#include "temporary_directory.hpp"
#include "train/synthetic_dataset.hpp"

namespace {

/// After so many exchanges of updated weights, that is steps, this rank's copy of rank 0's first weight gets
/// another last bit. 0: never.
int steps_until_flip = 0;

}  // namespace

/// In place of the library's, which has it by another name, too: the MPI standard's profiling interface.
extern "C" int MPI_Allgatherv(const void* send, int send_count, MPI_Datatype send_type, void* receive,
                              const int* counts, const int* starts, MPI_Datatype type,
                              MPI_Comm communicator) {
  const int status =
      PMPI_Allgatherv(send, send_count, send_type, receive, counts, starts, type, communicator);
  const bool shares_weights = send == MPI_IN_PLACE && type == MPI_FLOAT;
  if (shares_weights && steps_until_flip > 0 && --steps_until_flip == 0) {
    auto& weight = *static_cast<float*>(receive);
    weight = std::nextafter(weight, 2.0F);
  }
  return status;
}

namespace lockstep {
namespace {

class VerifiedRun : public ::testing::Test {
 protected:
  VerifiedRun() {
    if (world_.is_root()) {
      directory_.emplace();
      testing::write_synthetic_dataset(*directory_ / "data.h5", 203, 90);
    }
    path_ = world_.broadcast(directory_ ? directory_->path() : "");
  }
  ~VerifiedRun() override {
    steps_until_flip = 0;
    world_.barrier();
  }

  /// What a run of 8 steps that compares copies in each fourth ends with: an error, or its digest.
  std::string outcome(const char* run) const {
    TrainConfig config;
    for (const auto& [name, text] :
         std::vector<std::pair<std::string, std::string>>{{"data", path_ + "/data.h5"},
                                                          {"run-dir", path_ + "/" + run},
                                                          {"hidden", "6"},
                                                          {"batch-size", "25"},
                                                          {"max-steps", "8"},
                                                          {"transport", "messages"},
                                                          {"verify-every", "4"}}) {
      set_option(config, name, text);
    }
    TrainObserver silent;
    try {
      return train(world_, config, silent).parameters_sha256;
    } catch (const AgreedError& error) {
      return error.what();
    }
  }

  const Communicator world_ = Communicator::world();
  std::optional<TemporaryDirectory> directory_;
  std::string path_;
};

TEST_F(VerifiedRun, FindsACopyThatChangedBeforeTheStep) {
  if (world_.size() == 1) GTEST_SKIP() << "one copy";
  if (world_.rank() == world_.size() - 1) steps_until_flip = 3;
  const std::string found = outcome("flipped");
  EXPECT_NE(found.find("differ after step 3: layer dense_0 of "), std::string::npos) << found;
  EXPECT_NE(found.find("rank " + std::to_string(world_.size() - 1) + " on "), std::string::npos) << found;
}

TEST_F(VerifiedRun, EndsWithADigestWhereCopiesAreEqual) {
  EXPECT_EQ(outcome("undisturbed").size(), 64U);
}

}  // namespace
}  // namespace lockstep
