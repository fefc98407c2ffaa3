#include "lockstep/io/shard_reader.hpp"

#include <sys/resource.h>

#include <fstream>
#include <limits>
#include <random>

#include "io_fixture.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/io/dataset_writer.hpp"

namespace lockstep {
namespace {

constexpr std::size_t features = 12;

/// What stands at a place of /train/x, per type within its range.
template <class X>
X stored_x(std::size_t row, std::size_t column) {
  if constexpr (std::is_same_v<X, std::uint8_t>) return static_cast<X>(row * 31 + column * 7);
  return static_cast<X>(0.1 * static_cast<double>(row) - static_cast<double>(column));
}

std::int32_t stored_class(std::size_t row) {
  return static_cast<std::int32_t>(row * row % 5);
}

template <class X>
void write_rows(const std::string& path, std::size_t rows, std::vector<std::size_t> shape, Task task) {
  const std::vector<std::string> names = task == Task::classification
                                             ? std::vector<std::string>{"a", "b", "c", "d", "e"}
                                             : std::vector<std::string>{};
  write_dataset(path, {task, names, 0.5, "test"}, [&](DatasetWriter& writer) {
    std::vector<X> x;
    std::vector<std::int32_t> classes;
    std::vector<double> values;
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t column = 0; column < features; ++column) x.push_back(stored_x<X>(row, column));
      classes.push_back(stored_class(row));
      values.insert(values.end(), {0.25 * static_cast<double>(row), 1.0});
    }
    shape.insert(shape.begin(), rows);
    ArrayWriter array = writer.array(Split::train, "x", element_type_of<X>(), shape);
    array.append(x.data(), rows);
    array.finish();
    if (task == Task::classification) {
      ArrayWriter y = writer.array(Split::train, "y", ElementType::int32, {rows});
      y.append(classes.data(), rows);
      y.finish();
    } else {
      ArrayWriter y = writer.array(Split::train, "y", ElementType::float64, {rows, 2});
      y.append(values.data(), rows);
      y.finish();
    }
  });
}

/// A directory that rank 0 makes and all ranks see.
class ShardReader : public ::testing::Test {
 protected:
  ShardReader() : world_(Communicator::world()) {
    if (world_.is_root()) own_.emplace();
    directory_ = world_.broadcast(world_.is_root() ? own_->path() : std::string());
  }
  ~ShardReader() override { world_.barrier(); }

  template <class X>
  DatasetInfo make(const std::string& name, std::size_t rows, std::vector<std::size_t> shape = {features},
                   Task task = Task::classification) {
    on_root(world_, [&] { write_rows<X>(directory_ + "/" + name, rows, shape, task); });
    return read_dataset_info(directory_ + "/" + name);
  }

  /// The rows of this rank in batches of `batch`, as training with contiguous shards has it.
  RowRuns batch_runs(std::size_t rows, std::size_t batch) const {
    const Range mine = block_partition(batch, size(), rank());
    RowRuns runs;
    for (std::size_t first = 0; first < rows; first += batch) {
      const Range run{std::min(rows, first + mine.begin), std::min(rows, first + mine.end)};
      if (!run.empty()) runs.push_back(run);
    }
    return runs;
  }

  std::size_t rank() const { return static_cast<std::size_t>(world_.rank()); }
  std::size_t size() const { return static_cast<std::size_t>(world_.size()); }

  Communicator world_;
  std::optional<TemporaryDirectory> own_;
  std::string directory_;
};

template <class X, class T>
void expect_rows(const Rows<T>& rows, const RowRuns& runs) {
  ASSERT_EQ(rows.count, row_count(runs));
  ASSERT_EQ(rows.features, features);
  ASSERT_EQ(rows.classes.size(), rows.count);
  constexpr bool stays_bytes = std::is_same_v<X, std::uint8_t>;
  ASSERT_EQ(rows.x_u8.size(), stays_bytes ? rows.count * features : 0);
  ASSERT_EQ(rows.x_real.size(), stays_bytes ? 0 : rows.count * features);
  std::vector<T> out(features);
  std::size_t i = 0;
  for (const Range& run : runs) {
    for (std::size_t row = run.begin; row < run.end; ++row, ++i) {
      rows.copy_x(i, out.data());
      for (std::size_t column = 0; column < features; ++column) {
        ASSERT_EQ(out[column], static_cast<T>(stored_x<X>(row, column)) * T(0.5)) << "row " << row;
      }
      ASSERT_EQ(rows.classes[i], stored_class(row)) << "row " << row;
    }
  }
}

TEST_F(ShardReader, GivesEachRankItsRowsWhateverTheRuns) {
  const DatasetInfo info = make<std::uint8_t>("u8.h5", 1000, {4, 3});
  for (const std::size_t batch : {1000ul, 128ul, 7ul, 8ul}) {
    const RowRuns runs = batch_runs(1000, batch);
    expect_rows<std::uint8_t>(read_rows<float>(world_, info, Split::train, runs), runs);
    expect_rows<std::uint8_t>(read_rows_serial<float>(info, Split::train, runs), runs);
  }
}

TEST_F(ShardReader, GivesRandomRuns) {
  const DatasetInfo info = make<float>("f32.h5", 500);
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 engine(seed * 100 + static_cast<unsigned>(rank()));
    RowRuns runs;
    for (std::size_t row = 0; row < 490; row += engine() % 20) {
      const std::size_t length = engine() % 10;
      runs.push_back({row, row + length});
      row += length;
    }
    expect_rows<float>(read_rows<float>(world_, info, Split::train, runs), runs);
  }
}

TEST_F(ShardReader, LetsRanksReadNothing) {
  const DatasetInfo info = make<float>("f32.h5", 40);
  const RowRuns runs = rank() == size() - 1 ? RowRuns{{3, 40}} : RowRuns{};
  expect_rows<float>(read_rows<float>(world_, info, Split::train, runs), runs);
  EXPECT_EQ(read_rows<float>(world_, info, Split::train, {}).count, 0u);
}

TEST_F(ShardReader, ConvertsBetweenPrecisions) {
  const DatasetInfo single = make<float>("f32.h5", 300);
  const DatasetInfo wide = make<double>("f64.h5", 300);
  const RowRuns runs = batch_runs(300, 32);
  expect_rows<float>(read_rows<double>(world_, single, Split::train, runs), runs);
  expect_rows<double>(read_rows<float>(world_, wide, Split::train, runs), runs);
  expect_rows<double>(read_rows<double>(world_, wide, Split::train, runs), runs);
}

TEST_F(ShardReader, ReadsRegressionTargets) {
  const DatasetInfo info = make<float>("r.h5", 90, {features}, Task::regression);
  const RowRuns runs = batch_runs(90, 16);
  const Rows<float> rows = read_rows<float>(world_, info, Split::train, runs);
  EXPECT_EQ(rows.value_columns, 2u);
  ASSERT_EQ(rows.values.size(), 2 * row_count(runs));
  std::size_t i = 0;
  for (const Range& run : runs) {
    for (std::size_t row = run.begin; row < run.end; ++row, ++i) {
      EXPECT_EQ(rows.values[2 * i], 0.25f * static_cast<float>(row));
      EXPECT_EQ(rows.values[2 * i + 1], 1.0f);
    }
  }
}

/// Bytes that this process has asked the system for, whatever function did it.
std::int64_t bytes_read_so_far() {
  std::ifstream file("/proc/self/io");
  std::string key;
  std::int64_t value = 0;
  file >> key >> value;
  EXPECT_EQ(key, "rchar:");
  return value;
}

TEST_F(ShardReader, RanksTogetherReadEveryByteOnce) {
  const std::size_t rows = 20'000;
  for (const bool wide : {false, true}) {
    const DatasetInfo info = wide ? make<double>("w.h5", rows) : make<std::uint8_t>("b.h5", rows);
    const std::size_t row_bytes = features * (wide ? 8 : 1) + 4;
    for (const std::size_t batch : {rows, std::size_t{128}, std::size_t{24}}) {
      const RowRuns runs = batch_runs(rows, batch);
      const std::int64_t before = bytes_read_so_far();
      const Rows<float> mine = read_rows<float>(world_, info, Split::train, runs);
      const std::int64_t after = bytes_read_so_far();
      // Headers, and what MPI's progress engine reads from its own pipes.
      constexpr std::int64_t allowance = 16'000;
      const auto expected = static_cast<std::int64_t>(row_count(runs) * row_bytes);
      EXPECT_GE(after - before, expected);
      EXPECT_LE(after - before, expected + allowance) << "batch " << batch;
      EXPECT_EQ(world_.all_reduce_sum(expected), static_cast<std::int64_t>(rows * row_bytes));
      EXPECT_EQ(mine.count, row_count(runs));
    }
  }
}

std::size_t peak_memory_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

TEST_F(ShardReader, NeedsLittleMemoryBesideTheRows) {
  const std::size_t rows = 25'000, wide = 2000;  // 200 MB
  const std::string path = directory_ + "/large.h5";
  on_root(world_, [&] {
    write_dataset(path, {Task::classification, {"a", "b"}, 1, "test"}, [&](DatasetWriter& writer) {
      ArrayWriter x = writer.array(Split::train, "x", ElementType::float32, {rows, wide});
      const std::vector<float> some(250 * wide, 1.5f);
      for (std::size_t row = 0; row < rows; row += 250) x.append(some.data(), 250);
      x.finish();
      ArrayWriter y = writer.array(Split::train, "y", ElementType::int32, {rows});
      const std::vector<std::int32_t> classes(rows, 1);
      y.append(classes.data(), rows);
      y.finish();
    });
  });
  const DatasetInfo info = read_dataset_info(path);
  const RowRuns runs = batch_runs(rows, 128);
  const std::size_t before = peak_memory_bytes();
  const Rows<float> mine = read_rows<float>(world_, info, Split::train, runs);
  const std::size_t after = peak_memory_bytes();
  EXPECT_LE(after - before, mine.x_real.size() * sizeof(float) + (std::size_t{40} << 20));
}

TEST_F(ShardReader, RowsOfTheRanksOfANodeAreCountedTogether) {
  DatasetInfo info = make<std::uint8_t>("few.h5", 8);
  const std::size_t rows = std::numeric_limits<std::size_t>::max() / 100 / (features + 4) / size();
  const std::string message =
      message_of<AgreedError>([&] { check_rows_fit<float>(world_, info, Split::train, rows); });
  expect_parts(message, {"few.h5: /train: " + std::to_string(size() * rows) + " rows of 12 numbers: needs "});
}

TEST_F(ShardReader, AllRanksFailAlikeWhereOneMeetsABadRow) {
  const DatasetInfo info = make<float>("bad.h5", 64);
  const std::size_t bad_row = 40;
  on_root(world_, [&] {
    const Hdf5Handle file(H5Fopen(info.path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    const Hdf5Array x = open_array(file.get(), "/train/x", info.path);
    std::vector<float> row(features, 1.0f);
    row[3] = std::numeric_limits<float>::quiet_NaN();
    write_row_block(x.id.get(), ElementType::float32, x.shape, bad_row, 1, row.data(), info.path);
  });
  const Range mine = block_partition(64, size(), rank());
  const std::string message =
      message_of<AgreedError>([&] { read_rows<float>(world_, info, Split::train, {mine}); });
  expect_parts(message, {info.path, "/train/x: row 40, column 3", "nan"});
  try {
    read_rows<float>(world_, info, Split::train, {mine});
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.status(), ExitStatus::user_error);
    EXPECT_EQ(static_cast<std::size_t>(error.rank()), block_owner(64, size(), bad_row));
  }
}

TEST_F(ShardReader, AllRanksFailAlikeForDamagedFilesAndWrongRuns) {
  DatasetInfo info = make<float>("x.h5", 64);
  const auto read = [&](const DatasetInfo& which, const RowRuns& runs) {
    return message_of<AgreedError>([&] { read_rows<float>(world_, which, Split::train, runs); });
  };
  expect_parts(read(info, {{0, 65}}), {"/train", "within 0 to 64"});
  expect_parts(read(info, {{5, 7}, {6, 8}}), {"ascending"});
  DatasetInfo gone = info;
  gone.path += ".gone";
  expect_parts(read(gone, {{0, 1}}), {"x.h5.gone", "no such file"});
  DatasetInfo other = info;
  other.train_rows = 100;
  expect_parts(read(other, {{0, 1}}), {"changed while"});
  on_root(world_, [&] { std::filesystem::resize_file(info.path, 3000); });
  expect_parts(read(info, {{0, 1}}), {"x.h5", "truncated"});
}

}  // namespace
}  // namespace lockstep
