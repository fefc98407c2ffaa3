// Trains a small network on the dataset argv[1] into the run directory argv[2], on any number of ranks.
#include <cstdio>

#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/environment.hpp"
#include "lockstep/train/trainer.hpp"

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: example DATASET RUN_DIR\n"), 2;
  const lockstep::Environment mpi;
  const auto world = lockstep::Communicator::world();
  lockstep::TrainConfig config;
  config.data = argv[1];
  config.run_dir = argv[2];
  config.hidden = {16, 16};
  config.batch_size = 16;
  config.resume = "never";
  lockstep::TrainObserver silent;
  try {
    const auto result = lockstep::train(world, config, silent);
    if (world.is_root()) std::printf("%s %s\n", result.reason.c_str(), result.parameters_sha256.c_str());
  } catch (const lockstep::AgreedError& error) {  // on all ranks alike
    if (world.is_root()) std::fprintf(stderr, "example: %s\n", error.what());
    return static_cast<int>(error.status());
  }
}
