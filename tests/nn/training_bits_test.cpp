#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/sparse_matrix.hpp"
#include "lockstep/core/partition.hpp"
#include "lockstep/core/random.hpp"
#include "lockstep/core/summation_tree.hpp"
#include "lockstep/nn/initializer.hpp"
#include "lockstep/nn/mlp.hpp"
#include "lockstep/nn/optimizer.hpp"

// Whole trainings of nothing but core and nn: their weights have the same bits in every build and on every
// machine. CTest runs them in every instruction set; scripts/test.sh --builds in builds by several compilers
// and on an emulated aarch64. tests/app/digests_test.py trains the same with the program, and expects the
// digests that stand here.
namespace lockstep {
namespace {

constexpr std::size_t dataset_rows = 2010, pixels = 784, classes = 10;
constexpr std::size_t batch_size = 32, shards = 8;  // the last batch is short
constexpr std::uint64_t seed = 0;

/// Images of which about four fifths are zeros, drawn with integers.
struct Images {
  std::vector<std::uint8_t> x = std::vector<std::uint8_t>(dataset_rows * pixels);  // (rows, pixels)
  std::vector<std::int32_t> y;                                                     // (dataset_rows)

  Images() {
    std::uint64_t state = 1;
    for (std::size_t i = 0; i < dataset_rows; ++i) {
      y.push_back(static_cast<std::int32_t>(i % classes));
      for (int draw = 0; draw < 200; ++draw) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        const std::size_t pixel = (i % classes * 75 + (state >> 40) % 400) % pixels;
        x[i * pixels + pixel] = static_cast<std::uint8_t>((state >> 33) % 255 + 1);
      }
    }
  }
};

/// A shard's rows in the order of an epoch, as train/batch_sampler.hpp has them.
std::vector<std::size_t> rows_of_shard(std::uint32_t epoch, std::size_t shard) {
  std::vector<std::size_t> own, shuffled;
  for (std::size_t row = 0; row < dataset_rows; ++row) {
    if (block_partition(batch_size, shards, shard).contains(row % batch_size)) own.push_back(row);
  }
  const Philox random(seed, RandomPurpose::shuffle, epoch, static_cast<std::uint32_t>(shard));
  for (const std::uint32_t i : random_permutation(random, static_cast<std::uint32_t>(own.size()))) {
    shuffled.push_back(own[i]);
  }
  return shuffled;
}

/// The micro-batches of some shards in one step, one after the other.
template <class T>
struct Batch {
  std::vector<T> x;
  std::vector<std::int32_t> y;
  std::vector<Range> micro_batches;
};

struct Setting {
  std::array<const char*, 2> activations;
  const char* optimizer;
  double learning_rate;
  std::uint32_t epochs;
  bool leave_out_zeros;
};

template <class T>
class Training {
 public:
  explicit Training(const Setting& setting)
      : setting_(setting),
        optimizer_(make_optimizer_config(setting.optimizer, {}), layout_, {0, layout_.blocks()}) {
    for (const char* activation : setting.activations) spec_.activations.emplace_back(activation);
    spec_.arithmetic = Arithmetic::exact;
    std::vector<MatrixView<T>> kernels;
    for (std::size_t l = 0; l < layout_.layers(); ++l) {
      kernels.push_back(tensor_view(layout_.kernel(l), parameters_.data()));
    }
    const std::vector<Initializer> initializers(layout_.layers(), Initializer("glorot_uniform"));
    initialize_kernels<T>(initializers, InitGenerator::philox, seed, kernels);
  }

  std::string digest_of_weights() {
    for (std::uint32_t epoch = 0; epoch < setting_.epochs; ++epoch) run_epoch(epoch);
    return parameters_sha256<T>(layout_, parameters_);
  }
  /// Of the last epoch, taken during the updates.
  double accuracy() const { return static_cast<double>(correct_) / dataset_rows; }

 private:
  void run_epoch(std::uint32_t epoch) {
    correct_ = 0;
    order_.clear();
    for (std::size_t shard = 0; shard < shards; ++shard) order_.push_back(rows_of_shard(epoch, shard));
    Workspace<T> workspace(spec_, batch_size);
    for (std::size_t begin = 0; begin < dataset_rows; begin += batch_size) {
      run_step(begin / batch_size, std::min(batch_size, dataset_rows - begin), workspace);
    }
  }

  /// Two ranks' parts, one after the other: each half of the shards is a node of the tree.
  void run_step(std::size_t step_in_epoch, std::size_t global_rows, Workspace<T>& workspace) {
    tree_.reset();
    for (const Range half : {Range{0, shards / 2}, Range{shards / 2, shards}}) {
      const Batch<T> batch = batch_of(half, step_in_epoch);
      const MatrixView<const T> x(batch.x.data(), batch.y.size(), pixels);
      const testing::SparseMatrix<T> sparse(x);
      std::vector<LossSums> sums(half.size());
      forward_backward<T>(spec_, layout_, parameters_,
                          {setting_.leave_out_zeros ? sparse.rows() : SparseRows<T>(x),
                           {batch.y, {}},
                           batch.micro_batches,
                           {}},
                          workspace, {tree_.next_term(), layout_.size()}, sums);
      tree_.add_term(half.size());
      for (const LossSums& sum : sums) correct_ += sum.correct_count;
    }
    for (std::size_t i = 0; i < layout_.size(); ++i) mean_[i] = sum_[i] / static_cast<T>(global_rows);
    optimizer_.update(++steps_, setting_.learning_rate, parameters_, mean_, [](std::span<double>) {});
  }

  Batch<T> batch_of(Range some_shards, std::size_t step_in_epoch) const {
    Batch<T> batch;
    for (std::size_t shard = some_shards.begin; shard < some_shards.end; ++shard) {
      const std::size_t begin = batch.y.size();
      const std::size_t micro_batch_rows = block_partition(batch_size, shards, shard).size();
      for (std::size_t i = 0; i < micro_batch_rows; ++i) {
        const std::size_t place = step_in_epoch * micro_batch_rows + i;
        if (place >= order_[shard].size()) break;
        const std::size_t row = order_[shard][place];
        const std::vector<T> x = row_of(row);
        batch.x.insert(batch.x.end(), x.begin(), x.end());
        batch.y.push_back(images_.y[row]);
      }
      batch.micro_batches.push_back({begin, batch.y.size()});
    }
    return batch;
  }

  std::vector<T> row_of(std::size_t row) const {
    std::vector<T> x;
    for (std::size_t j = 0; j < pixels; ++j) {
      x.push_back(static_cast<T>(images_.x[row * pixels + j]) * static_cast<T>(1.0 / 255));
    }
    return x;
  }

  Setting setting_;
  Images images_;
  ModelSpec spec_{.widths = {pixels, 128, 64, classes}, .activations = {}, .dropout = {0, 0}};
  ParameterLayout layout_{spec_.widths, sizeof(T)};
  std::vector<T> parameters_ = std::vector<T>(layout_.size()), sum_ = parameters_, mean_ = parameters_;
  TreeAccumulator<T> tree_{shards, {0, shards}, layout_.size(), sum_.data()};
  Optimizer<T> optimizer_;
  std::vector<std::vector<std::size_t>> order_;  // (shards) rows of this epoch
  std::uint64_t steps_ = 0;
  std::int64_t correct_ = 0;
};

// What fails here has computed something else than the definition, or changes it: a decision, which CHANGELOG
// notes.
TEST(TrainingBits, ThreeEpochsOfFloatWithoutZeros) {
  Training<float> training({{"relu", "relu"}, "adam", 1e-3, 3, true});
  EXPECT_EQ(training.digest_of_weights(), "7be986c999f5b787c3c3bf4efe70c7a00c85ded82ea96173b8180a5c98c2b69c");
  EXPECT_GT(training.accuracy(), 0.9);
}

TEST(TrainingBits, AnEpochOfDoubleWithZeros) {
  Training<double> training({{"gelu", "tanh"}, "momentum", 0.05, 1, false});
  EXPECT_EQ(training.digest_of_weights(), "ee581a159149b5cff1d1ad65ad0ad998c9493cc7ddaa2b9f745943315d0e11c4");
  EXPECT_GT(training.accuracy(), 0.5);
}

}  // namespace
}  // namespace lockstep
