#include "lockstep/train/shared_dataset.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "lockstep/dist/agreement.hpp"
#include "lockstep/train/training_data.hpp"
#include "temporary_directory.hpp"
#include "train/synthetic_dataset.hpp"

namespace lockstep {
namespace {

class SharedRows : public ::testing::Test {
 protected:
  SharedRows() {
    if (world.is_root()) {
      directory.emplace();
      testing::write_synthetic_dataset(*directory / "data.h5", 203, 90);
    }
    path = world.broadcast(directory ? directory->path() : "") + "/data.h5";
    world.barrier();
    info = read_dataset_info(path);
  }
  ~SharedRows() override { world.barrier(); }

  const Communicator world = Communicator::world();
  std::optional<TemporaryDirectory> directory;
  std::string path;
  DatasetInfo info;
};

template <class T>
std::vector<T> all_x(const RowsView<T>& rows) {
  std::vector<T> x(rows.count * rows.features);
  for (std::size_t i = 0; i < rows.count; ++i) rows.copy_x(i, x.data() + i * rows.features);
  return x;
}

template <class T>
std::vector<std::int32_t> all_classes(const RowsView<T>& rows) {
  std::vector<std::int32_t> classes;
  for (std::size_t i = 0; i < rows.count; ++i) classes.push_back(rows.classes[rows.place(i)]);
  return classes;
}

TEST_F(SharedRows, AreAllRowsOfTheFileOnEveryRank) {
  const SharedDataset shared(world, info, true, true);
  EXPECT_EQ(shared.fallback(), "");
  for (const auto& [split, expected] : {std::pair(Split::train, testing::SyntheticRows(203, 7, 1)),
                                        std::pair(Split::test, testing::SyntheticRows(90, 7, 2))}) {
    EXPECT_EQ(all_x(shared.rows<float>(split)), expected.x);
    EXPECT_EQ(all_classes(shared.rows<float>(split)), expected.classes);
    EXPECT_EQ(all_x(shared.rows<double>(split)), std::vector<double>(expected.x.begin(), expected.x.end()));
  }
}

TEST_F(SharedRows, GiveTrainingTheRowsItWouldRead) {
  const SharedDataset shared(world, info, true, false);
  for (const char* stratified : {"off", "on"}) {
    for (const char* evaluator : {"rank0", "all"}) {
      TrainConfig config;
      config.data = path;
      for (const auto& [name, text] :
           std::vector<std::pair<std::string, std::string>>{{"hidden", "6"},
                                                            {"batch-size", "25"},
                                                            {"limit-train", "190"},
                                                            {"limit-test", "71"},
                                                            {"validation-split", "0.3"},
                                                            {"validation-stratified", stratified},
                                                            {"evaluator", evaluator}})
        set_option(config, name, text);
      config = resolve(config, info);
      const TrainingData<float> read = load_training_data<float>(world, config, info);
      const TrainingData<float> seen = load_training_data<float>(world, config, info, &shared);
      EXPECT_EQ(seen.validation_rows, read.validation_rows);
      EXPECT_EQ(seen.test_rows, read.test_rows);
      for (const auto part :
           {&TrainingData<float>::train, &TrainingData<float>::validation, &TrainingData<float>::test}) {
        EXPECT_EQ(all_x(seen.*part), all_x(read.*part));
        EXPECT_EQ(all_classes(seen.*part), all_classes(read.*part));
      }
    }
  }
}

constexpr std::size_t sparse_features = 11;

/// A dataset of bytes, of which every `distance`-th is not zero.
void write_sparse_dataset(const std::string& path, std::size_t distance) {
  const DatasetAttributes attributes{Task::classification, {"a", "b"}, 1.0 / 255, "sparse"};
  write_dataset(path, attributes, [distance](DatasetWriter& writer) {
    std::vector<std::uint8_t> x(101 * sparse_features);
    std::vector<std::int32_t> classes(101);
    for (std::size_t i = 0; i < x.size(); i += distance) x[i] = static_cast<std::uint8_t>(i % 255 + 1);
    for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = static_cast<std::int32_t>(i % 2);
    ArrayWriter x_writer = writer.array(Split::train, "x", ElementType::uint8, {101, sparse_features});
    x_writer.append(x.data(), 101);
    x_writer.finish();
    ArrayWriter y_writer = writer.array(Split::train, "y", ElementType::int32, {101});
    y_writer.append(classes.data(), 101);
    y_writer.finish();
  });
}

TEST_F(SharedRows, KnowWhereTheirElementsAreNotZero) {
  const std::string sparse = path + ".sparse.h5";
  if (world.is_root()) write_sparse_dataset(sparse, 5);
  world.barrier();
  const SharedDataset shared(world, read_dataset_info(sparse), true, false);
  const RowsView<float>& rows = shared.rows<float>(Split::train);
  ASSERT_FALSE(rows.nonzeros.empty());
  for (const Range some : {Range{0, 101}, Range{40, 77}, Range{100, 101}}) {
    const RowsView<float> part = neighbouring_rows(rows, some);
    const std::vector<float> x = all_x(part);
    AlignedVector<float> memory(RowMemory<float>::size(part.count, sparse_features, true));
    const RowMemory<float> rows_without_zeros(part.count, sparse_features, true, memory.data());
    for (std::size_t i = 0; i < part.count; ++i) part.copy_nonzeros(i, rows_without_zeros, i);
    const SparseRows<float> copied = rows_without_zeros.rows();
    std::size_t quads = 0;
    std::vector<float> found(x.size());
    for (std::size_t i = 0; i < part.count; ++i) {
      for (std::size_t n = 0; n < copied.counts[i]; ++n) {
        const float* const values = copied.values.row(i) + n * quad_columns;
        EXPECT_TRUE(std::any_of(values, values + quad_columns, [](float value) { return value != 0; }));
        for (std::size_t k = 0; k < quad_columns; ++k) {
          const std::size_t column = copied.quads(i, n) * quad_columns + k;
          if (column < sparse_features)
            found[i * sparse_features + column] = values[k];
          else
            EXPECT_EQ(values[k], 0);
        }
      }
      quads += copied.counts[i];
    }
    EXPECT_EQ(found, x);
    if (part.count > 1) {
      EXPECT_LT(quads, part.count * quads_of(sparse_features));
    }
  }
}

// Each node looks for zeros on its own, and a trial may have ranks of several.
TEST_F(SharedRows, AreSeenWithAnIndexByAllRanksOrNone) {
  const std::string sparse = path + ".sparse.h5", dense = path + ".dense.h5";
  if (world.is_root()) {
    write_sparse_dataset(sparse, 5);
    write_sparse_dataset(dense, 1);
  }
  world.barrier();
  const Communicator alone = world.split(world.rank());
  const SharedDataset with_index(alone, read_dataset_info(sparse), true, false);
  const SharedDataset without(alone, read_dataset_info(dense), true, false);
  TrainConfig config;
  config.data = sparse;
  config.hidden = {6};
  config = resolve(config, with_index.info());
  const auto seen = [&](const SharedDataset& shared) {
    return load_training_data<float>(world, config, with_index.info(), &shared).train;
  };
  EXPECT_FALSE(seen(with_index).nonzeros.empty());
  EXPECT_TRUE(seen(world.is_root() ? without : with_index).nonzeros.empty());
}

// One rank without room for them is enough.
TEST_F(SharedRows, ThePlacesOfElementsThatAreNotZeroAreLeftOutOnAllRanksOrNone) {
  Rows<float> rows;
  rows.count = 10 + (world.rank() == world.size() - 1 ? 1 : 0);
  rows.features = 12;
  for (std::size_t i = 0; i < rows.count * rows.features; ++i)
    rows.x_real.push_back(i % 6 == 0 ? 1.0F : 0.0F);
  const std::size_t all_rows = 10 * static_cast<std::size_t>(world.size()) + 1;
  const std::size_t largest = NonZeroIndex::bytes(11, 22, sizeof(float));
  EXPECT_FALSE(index_nonzeros(world, all_rows, rows, largest - 1));
  EXPECT_TRUE(rows.nonzeros.view().empty());
  EXPECT_TRUE(index_nonzeros(world, all_rows, rows, largest));
  const NonZeroView found = rows.nonzeros.view();
  ASSERT_EQ(found.starts.size(), rows.count + 1);
  EXPECT_EQ(NonZeroIndex::bytes(rows.count, found.quads.size(), sizeof(float)),
            found.starts.size_bytes() + found.quads.size_bytes() + found.values.size_bytes());
}

// Leaving out such elements might change bits.
TEST_F(SharedRows, ElementsThatAreTooSmallOrNegativeZeroKeepAllZeros) {
  for (const float element : {1.0F, 0x1p-20F, 0x1p-21F, -0x1p-21F, -0.0F}) {
    Rows<float> rows;
    rows.count = 3;
    rows.features = 9;
    rows.x_real.resize(27);
    rows.x_real[13] = element;
    EXPECT_TRUE(index_nonzeros(world, 3 * static_cast<std::size_t>(world.size()), rows));
    EXPECT_EQ(rows.nonzeros.view().empty(), std::abs(element) < 0x1p-20F) << element;
  }
}

}  // namespace
}  // namespace lockstep
