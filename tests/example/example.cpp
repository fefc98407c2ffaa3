// Trains a small network on the dataset argv[1] into the run directory argv[2].
#include <cstdio>

#include "lockstep/dist/environment.hpp"
#include "lockstep/train/trainer.hpp"

int main(int, char** argv) {
  const lockstep::Environment mpi;
  const auto world = lockstep::Communicator::world();
  lockstep::TrainConfig config;
  config.data = argv[1];
  config.run_dir = argv[2];
  config.hidden = {16, 16};
  config.batch_size = 16;
  config.resume = "never";
  lockstep::TrainObserver silent;
  const auto result = lockstep::train(world, config, silent);
  std::printf("%s %s\n", result.reason.c_str(), result.parameters_sha256.c_str());
}
