#include <algorithm>

#include "io_fixture.hpp"
#include "lockstep/io/converters.hpp"
#include "lockstep/io/shard_reader.hpp"

namespace lockstep {
namespace {

class ConvertCsv : public ::testing::Test {
 protected:
  DatasetInfo convert(CsvSource source) {
    if (source.train.empty()) source.train = directory_ / "a.csv";
    if (source.target.empty()) source.target = "y";
    return convert_csv(source, output_ / "out.h5");
  }
  DatasetInfo convert_text(const std::string& text, CsvSource source = {}) {
    write_text(directory_ / "a.csv", text);
    return convert(source);
  }
  template <class E = FileError>
  std::string message_for(const std::string& text, const CsvSource& source = {}) {
    const std::string message = message_of<E>([&] { convert_text(text, source); });
    EXPECT_TRUE(output_.empty());
    return message;
  }

  TemporaryDirectory directory_, output_;
};

TEST_F(ConvertCsv, KeepsNumbersExactlyAndTextsAsClasses) {
  const DatasetInfo info = convert_text("a,y,b\n0.1,dog,1\n-2e-3,cat,2\n1e10,dog,3\n");
  EXPECT_EQ(info.task, Task::classification);
  EXPECT_EQ(info.class_names, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(info.test_rows, 0u);
  const Rows<double> rows = read_rows_serial<double>(info, Split::train, {{0, 3}});
  EXPECT_EQ(rows.x_real, (std::vector<double>{0.1, 1, -2e-3, 2, 1e10, 3}));
  EXPECT_EQ(rows.classes, (std::vector<std::int32_t>{1, 0, 1}));
  verify_dataset_digests(info);
}

TEST_F(ConvertCsv, OrdersIntegerClassesByValue) {
  const DatasetInfo info = convert_text("x,y\n1,10\n2,9\n3,10.0\n4,-1\n");
  EXPECT_EQ(info.class_names, (std::vector<std::string>{"-1", "9", "10"}));
  EXPECT_EQ(read_classes_serial(info, Split::train), (std::vector<std::int32_t>{2, 1, 2, 0}));
}

TEST_F(ConvertCsv, InfersTheTask) {
  EXPECT_EQ(convert_text("x,y\n1,0.5\n2,1\n").task, Task::regression);
  EXPECT_EQ(convert_text("x,y\n1,yes\n2,1\n").task, Task::classification);
  std::string many = "x,y\n";
  for (int i = 0; i < 101; ++i) many += "0," + std::to_string(i) + "\n";
  EXPECT_EQ(convert_text(many).task, Task::regression);
  CsvSource binary;
  binary.task = Task::binary;
  const DatasetInfo info = convert_text("x,y\n1,yes\n2,no\n", binary);
  EXPECT_EQ(info.task, Task::binary);
  EXPECT_EQ(info.outputs, 1u);
  EXPECT_EQ(read_rows_serial<float>(info, Split::train, {{0, 2}}).values, (std::vector<float>{1, 0}));
}

TEST_F(ConvertCsv, TakesSeveralRegressionTargets) {
  CsvSource source;
  source.target = "u, v";
  const DatasetInfo info = convert_text("u,x,v\n1,2,3\n4,5,6\n", source);
  EXPECT_EQ(info.outputs, 2u);
  EXPECT_EQ(read_rows_serial<double>(info, Split::train, {{0, 2}}).values, (std::vector<double>{1, 3, 4, 6}));
}

TEST_F(ConvertCsv, ReadsTrainAndTestFilesPlainAndCompressed) {
  write_gzip(directory_ / "train.csv.gz", "x,y\n1,a\n2,b\n");
  write_text(directory_ / "test.csv", "x,y\n3,b\n");
  CsvSource source;
  source.train = directory_ / "train.csv.gz";
  source.test = directory_ / "test.csv";
  const DatasetInfo info = convert(source);
  EXPECT_EQ(info.train_rows, 2u);
  EXPECT_EQ(read_classes_serial(info, Split::test), (std::vector<std::int32_t>{1}));
}

TEST_F(ConvertCsv, CutsOffTheLastFractionOrARandomOne) {
  std::string text = "x,y\n";
  for (int i = 0; i < 10; ++i) text += std::to_string(i) + "," + std::to_string(i % 2) + "\n";
  CsvSource source;
  source.test_fraction = 0.25;
  DatasetInfo info = convert_text(text, source);
  EXPECT_EQ(info.train_rows, 7u);
  EXPECT_EQ(read_rows_serial<double>(info, Split::test, {{0, 3}}).x_real, (std::vector<double>{7, 8, 9}));

  source.shuffle_seed = 5;
  info = convert_text(text, source);
  std::vector<double> x = read_rows_serial<double>(info, Split::train, {{0, 7}}).x_real;
  const std::vector<double> test = read_rows_serial<double>(info, Split::test, {{0, 3}}).x_real;
  EXPECT_NE(test, (std::vector<double>{7, 8, 9}));
  x.insert(x.end(), test.begin(), test.end());
  std::sort(x.begin(), x.end());
  EXPECT_EQ(x, (std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  const std::string digest = info.sha256_all;
  EXPECT_EQ(convert_text(text, source).sha256_all, digest);
  source.shuffle_seed = 6;
  EXPECT_NE(convert_text(text, source).sha256_all, digest);
}

TEST_F(ConvertCsv, StoresFloat32WhereAskedFor) {
  CsvSource source;
  source.x_type = "float32";
  const DatasetInfo info = convert_text("x,y\n0.1,a\n2,b\n", source);
  EXPECT_EQ(info.x_type, "float32");
  EXPECT_EQ(read_rows_serial<float>(info, Split::train, {{0, 1}}).x_real.at(0), 0.1f);
  std::filesystem::remove(output_ / "out.h5");
  expect_parts(message_for("x,y\n1,a\n1e39,b\n", source), {"line 3, column 'x'", "float32", "'1e39'"});
}

TEST_F(ConvertCsv, LeavesColumnsOut) {
  CsvSource source;
  source.drop_columns = {"name", "id"};
  const DatasetInfo info = convert_text("id,x,name,y\n1,0.5,Ann,a\n2,1.5,Bob,b\n", source);
  EXPECT_EQ(info.features, 1U);
  EXPECT_EQ(read_rows_serial<double>(info, Split::train, {{0, 2}}).x_real, (std::vector<double>{0.5, 1.5}));
}

TEST_F(ConvertCsv, NamesLineAndColumnOfFaults) {
  expect_parts(message_for("x,y\n1,a\nbad,b\n"), {directory_ / "a.csv", "line 3, column 'x'", "'bad'"});
  expect_parts(message_for("x,y\n1,a\n,b\n"), {"line 3, column 'x'", "''"});
  expect_parts(message_for("x,y\n1,a\nnan,b\n"), {"line 3, column 'x'", "finite", "'nan'"});
  expect_parts(message_for("x,y\n1,a\n1,\n"), {"line 3, column 'y'", "target"});
  expect_parts(message_for("x,y\n1,a\n1,b,c\n"), {"line 3", "2 fields", "found 3"});
  expect_parts(message_for("x,y\n"), {"expected rows"});
  expect_parts(message_for("y\n1\n"), {"beside the target"});
  expect_parts(message_for("x,y\n1,a\n2,a\n"), {"at least two", "found 1"});
  CsvSource regression;
  regression.task = Task::regression;
  expect_parts(message_for("x,y\n1,2\n1,tall\n", regression), {"line 3", "'tall'"});
}

TEST_F(ConvertCsv, RefusesAFirstLineOfNumbers) {
  CsvSource source;
  source.target = "0";
  expect_parts(message_for("5.1,3.5,0\n4.9,3.0,1\n", source),
               {"a.csv: line 1", "header", "only numbers", "'5.1'"});
  // As pandas writes columns without names.
  EXPECT_EQ(convert_text("0,1,2\n0,3.5,5.1\n1,3.0,4.9\n", source).features, 2u);
}

TEST_F(ConvertCsv, NamesWrongOptions) {
  const std::string text = "x,y\n1,0\n2,1\n";
  CsvSource source;
  source.target = "z";
  expect_parts(message_for<UserError>(text, source), {"'z'"});
  source = {};
  source.test_fraction = 1.5;
  expect_parts(message_for<UserError>(text, source), {"--test-fraction", "1.5"});
  source = {};
  source.drop_columns = {"x", "y"};
  expect_parts(message_for<UserError>(text, source), {"--drop-columns", "'y' twice"});
  source.drop_columns = {"w"};
  expect_parts(message_for<UserError>(text, source), {"a column 'w'"});
  source = {};
  source.test_fraction = 0.9;
  expect_parts(message_for<UserError>(text, source), {"0.9", "empty"});
  source = {};
  source.task = Task::classification;
  source.target = "x,y";
  expect_parts(message_for<UserError>("w,x,y\n1,0,1\n2,1,1\n", source), {"one target column"});
  write_text(directory_ / "b.csv", "z,y\n1,0\n");
  source = {};
  source.test = directory_ / "b.csv";
  expect_parts(message_for(text, source), {directory_ / "b.csv", "columns"});
}

}  // namespace
}  // namespace lockstep
