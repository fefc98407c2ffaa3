#include "io_fixture.hpp"
#include "lockstep/io/converters.hpp"
#include "lockstep/io/hdf5.hpp"
#include "lockstep/io/shard_reader.hpp"

namespace lockstep {
namespace {

class ConvertHdf5 : public ::testing::Test {
 protected:
  ConvertHdf5() { EXPECT_TRUE(run_python("make_sources.py", directory_.path())); }

  Hdf5Source source(const std::string& name) const {
    Hdf5Source result;
    result.path = directory_ / name;
    return result;
  }
  DatasetInfo convert(const Hdf5Source& from) { return convert_hdf5(from, output_ / "out.h5"); }
  template <class E = FileError>
  std::string message_for(const Hdf5Source& from) {
    const std::string message = message_of<E>([&] { convert(from); });
    EXPECT_TRUE(output_.empty());
    return message;
  }

  TemporaryDirectory directory_, output_;
};

TEST_F(ConvertHdf5, TakesArraysByName) {
  Hdf5Source from = source("keras.h5");
  from.train_x = "/x_train";
  from.train_y = "/y_train";
  from.test_x = "/x_test";
  from.test_y = "/y_test";
  const DatasetInfo info = convert(from);
  EXPECT_EQ(info.task, Task::classification);
  EXPECT_EQ(info.class_names, (std::vector<std::string>{"0", "1", "2", "3"}));
  EXPECT_EQ(info.x_type, "uint8");
  EXPECT_EQ(info.x_scale, 1.0 / 255);
  EXPECT_EQ(info.x_shape, (std::vector<std::size_t>{3, 2}));
  verify_dataset_digests(info);
  EXPECT_TRUE(run_python("check_converted.py", from.path + " " + output_ / "out.h5"));
}

TEST_F(ConvertHdf5, TakesTaskNamesAndScaleFromOptionsAndAttributes) {
  Hdf5Source from = source("plain.h5");
  EXPECT_EQ(convert(from).class_names, (std::vector<std::string>{"low", "high"}));
  EXPECT_EQ(convert(from).x_scale, 0.25);
  EXPECT_EQ(convert(from).x_type, "float32");
  from.class_names = {"a", "b", "c"};
  from.x_scale = 2;
  EXPECT_EQ(convert(from).class_names.size(), 3u);
  EXPECT_EQ(convert(from).x_scale, 2.0);
  from.class_names.clear();
  from.task = Task::binary;
  EXPECT_EQ(convert(from).outputs, 1u);
  from.task = Task::regression;
  const DatasetInfo info = convert(from);
  EXPECT_EQ(info.outputs, 1u);
  EXPECT_TRUE(info.class_names.empty());
}

TEST_F(ConvertHdf5, ConvertsOtherTypesWithoutLoss) {
  Hdf5Source from = source("types.h5");
  for (const auto& [name, type] : {std::pair("i2", "float32"),
                                   {"f2", "float32"},
                                   {"i4", "float64"},
                                   {"u8", "float64"},
                                   {"f4be", "float32"},
                                   {"i1", "float32"},
                                   {"f8", "float64"}}) {
    SCOPED_TRACE(name);
    from.train_x = std::string("/") + name;
    from.train_y = "/y";
    from.test_x = from.test_y = "";
    const DatasetInfo info = convert(from);
    EXPECT_EQ(info.x_type, type);
    EXPECT_EQ(info.task, Task::regression);
    EXPECT_EQ(read_rows_serial<double>(info, Split::train, {{1, 2}}).x_real, (std::vector<double>{2, 3}));
  }
}

TEST_F(ConvertHdf5, NamesFaults) {
  Hdf5Source from = source("plain.h5");
  from.train_x = "/none";
  expect_parts(message_for(from), {"plain.h5: /none", "expected an array"});
  from = source("plain.h5");
  from.test_y = "";
  expect_parts(message_for<UserError>(from), {"both x and y"});
  from = source("plain.h5");
  from.class_names = {"one"};
  expect_parts(message_for<UserError>(from), {"2 classes, found 1"});
  from = source("bad.h5");
  expect_parts(message_for(from), {"/train/x: row 3, column 1", "nan"});
  from.train_x = "/short";
  expect_parts(message_for(from), {"as many rows", "4 and 6"});
  from.train_x = "/test/x";
  from.train_y = "/test/x";
  from.task = Task::classification;
  expect_parts(message_for(from), {"/test/x", "one class a row"});
  from = source("bad.h5");
  from.train_y = "/fraction";
  from.task = Task::classification;
  expect_parts(message_for(from), {"/fraction: row 2", "expected a class", "0.5"});
  from.train_y = "/minus";
  expect_parts(message_for(from), {"/minus: row 1", "found -1"});
  from.train_y = "/large";
  expect_parts(message_for(from), {"/large: row 4", "from 0 to 999999", "found 1000000"});
  from.task = Task::binary;
  expect_parts(message_for(from), {"/large: row 4", "0 or 1", "found 1000000"});
}

TEST_F(ConvertHdf5, AsksForMemoryBeforeItTakesIt) {
  expect_parts(message_for<UserError>(source("rows.h5")), {"rows.h5: /train/y", "of memory"});
  expect_parts(message_for<UserError>(source("row.h5")), {"row.h5: /train/x", "of memory"});
}

}  // namespace
}  // namespace lockstep
