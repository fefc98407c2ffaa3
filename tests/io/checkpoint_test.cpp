#include "lockstep/io/checkpoint.hpp"

#include <chrono>
#include <cmath>
#include <random>
#include <thread>

#include "io_fixture.hpp"
#include "lockstep/io/content_digest.hpp"
#include "lockstep/io/hdf5.hpp"
#include "seal.hpp"

namespace lockstep {
namespace {

template <class T>
struct Sample {
  explicit Sample(const std::vector<std::size_t>& trained_activations = {})
      : layout({12, 5, 3}, sizeof(T), trained_activations), parameters(layout.size()) {
    fill(parameters, 1);
    for (const char* name : {"m", "v"}) {
      slots.emplace_back(name, std::vector<T>(layout.size()));
      fill(slots.back().second, static_cast<unsigned>(name[0]));
    }
    state.model = {Task::classification,
                   {"a", "b", "ç"},
                   {4, 3},
                   1.0 / 255,
                   {12, 5, 3},
                   {"relu"},
                   "softmax",
                   "cross_entropy",
                   sizeof(T) == 4 ? "float32" : "float64",
                   "exact"};
    state.config_toml = "hidden = \"5\"\nseed = 1\n";
    state.config = {{"hidden", "5"}, {"seed", "1"}, {"constraint", ""}};
    state.environment = {{"isa", "avx2"}};
    state.dataset_sha256 = std::string(64, 'd');
    state.parameters_sha256 = parameters_sha256<T>(layout, parameters);
    state.epoch = 3;
    state.step_in_epoch = 17;
    state.step = ~0ull;
    state.shard_loss_sums = {0.1, -0.0, 1e-310};
    state.shard_correct = {1, 2, -3};
    state.shard_rows = {5, 6, 7};
    state.best_value = 0.25;
    state.best_epoch = 2;
    state.epochs_without_improvement = 1;
    state.seconds = 12.5;
    state.finished = true;
  }

  /// Random tensors, zero padding.
  void fill(std::vector<T>& flat, unsigned seed) const {
    std::mt19937 engine(seed);
    for (const Tensor& tensor : layout.tensors()) {
      for (std::size_t i = 0; i < tensor.size(); ++i) {
        flat[tensor.offset + i] = static_cast<T>(engine()) / T{3e9} - T{0.5};
      }
    }
  }

  void write(const std::string& path) const { write_checkpoint<T>(path, layout, state, parameters, slots); }

  ParameterLayout layout;
  std::vector<T> parameters;
  OptimizerSlots<T> slots;
  CheckpointState state;
};

void expect_same(const CheckpointState& a, const CheckpointState& b) {
  EXPECT_EQ(a.model, b.model);
  EXPECT_EQ(a.config_toml, b.config_toml);
  EXPECT_EQ(a.config, b.config);
  EXPECT_EQ(a.environment, b.environment);
  EXPECT_EQ(a.dataset_sha256, b.dataset_sha256);
  EXPECT_EQ(a.parameters_sha256, b.parameters_sha256);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.step_in_epoch, b.step_in_epoch);
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.shard_loss_sums, b.shard_loss_sums);
  EXPECT_EQ(a.shard_correct, b.shard_correct);
  EXPECT_EQ(a.shard_rows, b.shard_rows);
  EXPECT_EQ(a.best_value, b.best_value);
  EXPECT_EQ(a.best_epoch, b.best_epoch);
  EXPECT_EQ(a.epochs_without_improvement, b.epochs_without_improvement);
  EXPECT_EQ(a.seconds, b.seconds);
  EXPECT_EQ(a.finished, b.finished);
}

template <class T>
class CheckpointOf : public ::testing::Test {};
using Precisions = ::testing::Types<float, double>;
TYPED_TEST_SUITE(CheckpointOf, Precisions);

TYPED_TEST(CheckpointOf, ReadsBackEveryBit) {
  using T = TypeParam;
  const TemporaryDirectory directory;
  const Sample<T> sample;
  sample.write(directory / "a.h5");
  expect_same(read_checkpoint_state(directory / "a.h5"), sample.state);
  std::vector<T> parameters(sample.layout.size(), T{9});
  OptimizerSlots<T> slots;
  read_checkpoint_tensors<T>(directory / "a.h5", sample.layout, parameters, slots);
  EXPECT_EQ(parameters, sample.parameters);
  EXPECT_EQ(slots, sample.slots);
  std::vector<T> again(sample.layout.size(), T{9});
  read_checkpoint_parameters<T>(directory / "a.h5", sample.layout, again);
  EXPECT_EQ(again, sample.parameters);
  EXPECT_EQ(files_in(directory.path()), 1u);
}

TYPED_TEST(CheckpointOf, H5pyReadsItAndFindsTheSameDigests) {
  const TemporaryDirectory directory;
  const Sample<TypeParam> sample;
  sample.write(directory / "a.h5");
  EXPECT_TRUE(run_python("check_checkpoint.py", directory / "a.h5"));
}

TYPED_TEST(CheckpointOf, KeepsWhatActivationsTrain) {
  using T = TypeParam;
  const TemporaryDirectory directory;
  for (const std::size_t trained : {1, 5}) {
    const Sample<T> sample(std::vector<std::size_t>{trained});
    sample.write(directory / "a.h5");
    std::vector<T> parameters(sample.layout.size(), T{9});
    OptimizerSlots<T> slots;
    read_checkpoint_tensors<T>(directory / "a.h5", sample.layout, parameters, slots);
    EXPECT_EQ(parameters, sample.parameters);
    EXPECT_EQ(slots, sample.slots);
    EXPECT_TRUE(run_python("check_checkpoint.py", directory / "a.h5"));
    const Sample<T> other(std::vector<std::size_t>{6 - trained});
    EXPECT_THROW(read_checkpoint_parameters<T>(directory / "a.h5", other.layout, parameters), FileError);
  }
}

TEST(Checkpoint, KeepsEmptyListsAndNaN) {
  const TemporaryDirectory directory;
  Sample<float> sample;
  sample.state.shard_loss_sums.clear();
  sample.state.shard_correct.clear();
  sample.state.shard_rows.clear();
  sample.state.config.clear();
  sample.state.best_value = std::nan("");
  sample.state.model.class_names.clear();
  sample.slots.clear();
  sample.write(directory / "a.h5");
  const CheckpointState state = read_checkpoint_state(directory / "a.h5");
  EXPECT_TRUE(state.shard_rows.empty());
  EXPECT_TRUE(state.model.class_names.empty());
  EXPECT_TRUE(std::isnan(state.best_value));
  OptimizerSlots<float> slots{{"old", {}}};
  read_checkpoint_tensors<float>(directory / "a.h5", sample.layout, sample.parameters, slots);
  EXPECT_TRUE(slots.empty());
}

TEST(Checkpoint, EqualContentsGiveEqualBytes) {
  const TemporaryDirectory directory;
  const Sample<float> sample;
  sample.write(directory / "a.h5");
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // HDF5 notes times in seconds
  sample.write(directory / "b.h5");
  EXPECT_EQ(read_text(directory / "a.h5"), read_text(directory / "b.h5"));
}

/// Whether loading everything fails with a FileError and with nothing worse.
bool is_refused(const std::string& path, const Sample<float>& sample) {
  try {
    read_checkpoint_state(path);
    std::vector<float> parameters(sample.layout.size());
    OptimizerSlots<float> slots;
    read_checkpoint_tensors<float>(path, sample.layout, parameters, slots);
  } catch (const FileError&) {
    return true;
  }
  return false;
}

TEST(Checkpoint, RefusesAFileCutAtAnyLength) {
  const TemporaryDirectory directory;
  const Sample<float> sample;
  sample.write(directory / "a.h5");
  const std::string whole = read_text(directory / "a.h5");
  for (std::size_t bytes = 0; bytes < whole.size(); bytes += 61) {
    write_text(directory / "cut.h5", whole.substr(0, bytes));
    EXPECT_TRUE(is_refused(directory / "cut.h5", sample)) << bytes;
  }
}

TEST(Checkpoint, RefusesAFileWithAnyByteChanged) {
  const TemporaryDirectory directory;
  const Sample<float> sample;
  sample.write(directory / "a.h5");
  const std::string whole = read_text(directory / "a.h5");
  for (std::size_t i = 0; i < whole.size(); i += 29) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x24);
    write_text(directory / "changed.h5", changed);
    EXPECT_TRUE(is_refused(directory / "changed.h5", sample)) << i;
  }
}

TEST(Checkpoint, SaysWhereItIsDamaged) {
  const TemporaryDirectory directory;
  const Sample<float> sample;
  sample.write(directory / "a.h5");
  const std::string whole = read_text(directory / "a.h5");
  const auto message_of_change = [&](std::size_t place) {
    std::string changed = whole;
    changed[place] = static_cast<char>(changed[place] ^ 0x81);
    write_text(directory / "changed.h5", changed);
    return message_of([&] { read_checkpoint_state(directory / "changed.h5"); });
  };
  for (const std::size_t place : {0, 60, 200, 511}) {
    expect_parts(message_of_change(place),
                 {"changed.h5: damaged", "seal in the first 512 bytes, found other bytes"});
  }
  expect_parts(message_of_change(whole.size() / 2), {"changed.h5: damaged: expected SHA-256"});
}

void seal_file(const std::string& path) {
  std::string content = read_text(path);
  write_seal(content);
  write_text(path, content);
}

TEST(Checkpoint, FindsChangedNumbersWithoutTheSealToo) {
  const TemporaryDirectory directory;
  const Sample<float> sample;
  sample.write(directory / "a.h5");
  ASSERT_TRUE(run_python("change_checkpoint.py", directory / "a.h5"));
  seal_file(directory / "a.h5");
  expect_parts(message_of([&] { read_checkpoint_state(directory / "a.h5"); }), {"damaged", "SHA-256"});
}

/// Changes a checkpoint, then makes its digests fit again.
template <class Change>
void forge(const std::string& path, Change&& change) {
  {
    const Hdf5Handle file(H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    change(file.get());
    H5Adelete(file.get(), "sha256");
    write_attribute(file.get(), "sha256", content_sha256(file.get(), path), path);
  }
  seal_file(path);
}

TEST(Checkpoint, NamesTensorsThatDoNotFit) {
  const TemporaryDirectory directory;
  const Sample<float> sample;
  const std::string path = directory / "a.h5";
  const auto message_after = [&](auto&& change) {
    sample.write(path);
    forge(path, change);
    std::vector<float> parameters(sample.layout.size());
    OptimizerSlots<float> slots;
    return message_of([&] { read_checkpoint_tensors<float>(path, sample.layout, parameters, slots); });
  };
  const std::string bias = "/parameters/" + sample.layout.bias(1).layer + "/bias";
  const auto remove = [&](hid_t file) { H5Ldelete(file, bias.c_str(), H5P_DEFAULT); };
  expect_parts(message_after(remove), {path, bias, "expected an array"});
  const auto resize = [&](hid_t file) {
    remove(file);
    const std::vector<std::size_t> shape{4};
    const std::vector<float> numbers(4);
    const Hdf5Handle array = create_array(file, bias, ElementType::float32, shape, path);
    write_row_block(array.get(), ElementType::float32, shape, 0, 4, numbers.data(), path);
  };
  expect_parts(message_after(resize), {bias, "float32 of shape (3)", "shape (4)"});
  const auto not_finite = [&](hid_t file) {
    const Hdf5Array array = open_array(file, bias, path);
    const std::vector<float> numbers{1, std::numeric_limits<float>::infinity(), 2};
    write_row_block(array.id.get(), ElementType::float32, array.shape, 0, 3, numbers.data(), path);
  };
  expect_parts(message_after(not_finite), {bias, "element 1", "finite", "inf"});
  const auto add_layer = [&](hid_t file) { make_group(file, "/parameters/zzz", path); };
  expect_parts(message_after(add_layer), {"/parameters", "expected 2 layers, found 3"});
  const auto link_elsewhere = [&](hid_t file) {
    remove(file);
    H5Lcreate_external("/tmp/other.h5", "/bias", file, bias.c_str(), H5P_DEFAULT, H5P_DEFAULT);
  };
  sample.write(path);
  expect_parts(message_of([&] { forge(path, link_elsewhere); }), {bias, "link"});
}

TEST(Checkpoint, RefusesAnotherPrecision) {
  const TemporaryDirectory directory;
  const Sample<double> sample;
  sample.write(directory / "a.h5");
  const ParameterLayout layout({12, 5, 3}, sizeof(float));
  std::vector<float> parameters(layout.size());
  expect_parts(message_of([&] { read_checkpoint_parameters<float>(directory / "a.h5", layout, parameters); }),
               {"expected float32", "found float64"});
}

TEST(Checkpoint, RefusesOtherFiles) {
  const TemporaryDirectory directory;
  expect_parts(message_of([&] { read_checkpoint_state(directory / "none.h5"); }),
               {"none.h5", "no such file"});
  { const Hdf5Handle file = create_hdf5(directory / "other.h5"); }
  expect_parts(message_of([&] { read_checkpoint_state(directory / "other.h5"); }),
               {"checkpoint", "another HDF5 file"});
}

TEST(Checkpoint, RefusesHeadersThatPromiseTooMuch) {
  const TemporaryDirectory directory;
  const Sample<float> sample;
  sample.write(directory / "a.h5");
  ASSERT_TRUE(run_python("forge_checkpoint.py", directory / "a.h5"));
  expect_parts(message_of([&] { read_checkpoint_state(directory / "a.h5"); }), {"damaged"});
  seal_file(directory / "a.h5");
  expect_parts(message_of([&] { read_checkpoint_state(directory / "a.h5"); }), {"/run/shard_rows"});
}

TEST(Checkpoint, LeavesTheOldFileWhereWritingFails) {
  const TemporaryDirectory directory;
  Sample<float> sample;
  sample.write(directory / "a.h5");
  const std::string before = read_text(directory / "a.h5");
  sample.parameters.pop_back();
  EXPECT_THROW(sample.write(directory / "a.h5"), std::invalid_argument);
  EXPECT_EQ(read_text(directory / "a.h5"), before);
  EXPECT_EQ(files_in(directory.path()), 1u);
}

}  // namespace
}  // namespace lockstep
