#include <vector>

#include "hdf5_changes.hpp"
#include "hdf5_trial.hpp"
#include "input_file.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/io/checkpoint.hpp"
#include "lockstep/io/content_digest.hpp"
#include "seal.hpp"

/// Checkpoints: good HDF5 with wrong content, and damaged HDF5. Digests are made to fit again, as somebody
/// who forges a checkpoint would: what stands behind them is what is tried.
namespace {

using namespace lockstep;

const ParameterLayout& layout() {
  static const ParameterLayout of_three({3, 4, 2}, sizeof(float));
  return of_three;
}

std::string checkpoint_bytes() {
  CheckpointState state;
  state.model = {Task::classification, {"a", "b"}, {3},    1, {3, 4, 2}, {"relu"}, "softmax",
                 "cross_entropy",      "float32",  "exact"};
  state.config = {{"seed", "1"}};
  state.shard_loss_sums = {1};
  state.shard_correct = {1};
  state.shard_rows = {1};
  const std::vector<float> zeros(layout().size());
  const std::string path = "/dev/shm/lockstep-fuzz-" + std::to_string(::getpid()) + ".h5";
  write_checkpoint<float>(path, layout(), state, zeros, {{"m", zeros}});
  const int file = ::open(path.c_str(), O_RDONLY);
  std::string bytes(1 << 20, '\0');
  bytes.resize(static_cast<std::size_t>(::read(file, bytes.data(), bytes.size())));
  ::close(file);
  ::unlink(path.c_str());
  return bytes;
}

void change_content(std::string& bytes, FuzzedDataProvider& input) {
  const Hdf5Handle file = open_image(bytes);
  change_objects(file.get(), input);
  try {
    const std::string digest = content_sha256(file.get(), "fuzz.h5");
    H5Adelete(file.get(), "sha256");
    write_attribute(file.get(), "sha256", digest, "");
  } catch (const UserError&) {
    // links that no digest is taken over
  }
  const std::span<char> changed = hdf5_image(file.get(), "fuzz.h5");
  bytes.assign(changed.data(), changed.size());
}

void read(const std::string& path) {
  try {
    read_checkpoint_state(path);
    std::vector<float> parameters(layout().size());
    OptimizerSlots<float> slots;
    read_checkpoint_tensors<float>(path, layout(), parameters, slots);
  } catch (const UserError&) {
    // refused
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  static const std::string good = checkpoint_bytes();
  std::string bytes = good;
  const bool is_damaged = input.ConsumeIntegralInRange(0, 31) == 0;  // a trial takes longer than all the rest
  if (is_damaged) {
    damage_bytes(bytes, seal_bytes, input);
  } else {
    change_content(bytes, input);
  }
  if (bytes.size() > seal_bytes) write_seal(bytes);
  const InputFile file(bytes);
  if (!is_damaged) trust_hdf5(file.path());
  read(file.path());
  H5garbage_collect();
  return 0;
}
