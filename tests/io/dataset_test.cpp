#include "lockstep/io/dataset.hpp"

#include "io_fixture.hpp"
#include "lockstep/io/dataset_writer.hpp"
#include "lockstep/io/shard_reader.hpp"

namespace lockstep {
namespace {

/// Files written by h5py, once for all tests.
const TemporaryDirectory& files() {
  static const TemporaryDirectory directory;
  static const bool made = run_python("make_datasets.py", directory.path());
  EXPECT_TRUE(made);
  return directory;
}

DatasetInfo info_of(const std::string& name) {
  return read_dataset_info(files() / (name + ".h5"));
}

TEST(Dataset, DescribesFilesWrittenByH5py) {
  const DatasetInfo info = info_of("good_plain");
  EXPECT_EQ(info.task, Task::classification);
  EXPECT_EQ(info.train_rows, 50u);
  EXPECT_EQ(info.test_rows, 20u);
  EXPECT_EQ(info.features, 12u);
  EXPECT_EQ(info.x_shape, (std::vector<std::size_t>{4, 3}));
  EXPECT_EQ(info.outputs, 3u);
  EXPECT_EQ(info.class_names, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(info.x_scale, 0.5);
  EXPECT_EQ(info.x_type, "uint8");
  EXPECT_EQ(info.source, "h5py");
  EXPECT_EQ(info.sha256.size(), 4u);
  EXPECT_EQ(info.sha256_all.size(), 64u);
}

TEST(Dataset, ReadsEveryKindOfFileInOrder) {
  for (const char* name : {"good_plain", "good_gzip", "good_big_endian_labels", "good_without_test",
                           "good_regression", "good_binary", "good_fixed_texts", "good_empty_names"}) {
    SCOPED_TRACE(name);
    const DatasetInfo info = info_of(name);
    verify_dataset_digests(info);
    const Rows<float> rows = read_rows_serial<float>(info, Split::train, {{0, 50}});
    EXPECT_EQ(rows.count, 50u);
  }
  EXPECT_EQ(info_of("good_without_test").test_rows, 0u);
  EXPECT_EQ(info_of("good_regression").outputs, 2u);
  EXPECT_EQ(info_of("good_binary").outputs, 1u);
  EXPECT_EQ(info_of("good_fixed_texts").class_names.at(2), "c");
  EXPECT_EQ(info_of("good_plain").sha256_all, info_of("good_gzip").sha256_all);
  EXPECT_NE(info_of("good_plain").sha256_all, info_of("good_without_test").sha256_all);
  EXPECT_EQ(info_of("good_without_digests").sha256_all, "");
}

struct Fault {
  const char* name;
  std::vector<std::string> parts;
};

TEST(Dataset, NamesFileArrayExpectedAndFound) {
  const std::vector<Fault> faults{
      {"no_train_x", {"/train/x", "expected an array"}},
      {"no_train_y", {"/train/y", "expected an array"}},
      {"no_test_y", {"/test/y", "expected an array"}},
      {"x_rank_1", {"/train/x", "(N, F) or (N, H, W)", "(50)"}},
      {"x_rank_4", {"/train/x", "(N, F) or (N, H, W)", "(50, 4, 3, 1)"}},
      {"x_int64", {"/train/x", "uint8, float32 or float64", "int64", "lockstep convert"}},
      {"x_text", {"/train/x", "expected integers or floats", "texts"}},
      {"x_big_endian", {"/train/x", "float32 (big-endian)"}},
      {"x_no_rows", {"/train/x", "expected rows", "(0, 4, 3)"}},
      {"y_float", {"/train/y", "classes as integers", "float32"}},
      {"y_rank_2", {"/train/y", "(N)", "(50, 1)"}},
      {"lengths_differ", {"/train/x and /train/y", "50 and 49"}},
      {"features_differ", {"/test/x", "(4, 3)", "(3, 3)"}},
      {"types_differ", {"/test/x", "uint8", "float32"}},
      {"one_class", {"class_names", "at least two", "found 1"}},
      {"no_class_names", {"class_names", "found 0"}},
      {"latin_1_names", {"class_names", "name 2", "expected UTF-8"}},
      {"unknown_task", {"'task'", "guessing"}},
      {"targets_differ", {"/test/y", "expected 2", "found 3"}},
      {"lzf", {"/train/x", "HDF5 filter 32000"}},
      {"no_format", {"'format'", "lockstep-dataset", "lockstep convert"}},
      {"other_format", {"'format'", "'photo'"}},
      {"new_version", {"'version'", "expected 1, found 2"}},
      {"text_version", {"'version'", "expected a whole number"}},
      {"nan_scale", {"'x_scale'", "nan"}},
      {"zero_scale", {"'x_scale'", "found 0"}},
      {"bad_digest_text", {"/train/x", "64 hexadecimal digits", "'abc'"}},
      {"external_link", {"/train/x", "link"}},
      {"soft_link", {"/train/x", "link"}},
      {"external_storage", {"/train/x", "reference to other files"}},
      {"virtual", {"/train/x", "reference to other files"}},
      {"virtual_unlimited", {"/train/x", "reference to other files"}},
      {"group_for_array", {"/train/x", "is not a readable array"}},
      {"never_written", {"/train/x", "none were ever written"}},
      {"mostly_never_written", {"/train/x", "most were never written"}},
      {"overflow", {"/train/x", "larger than any memory"}},
  };
  for (const Fault& fault : faults) {
    SCOPED_TRACE(fault.name);
    const std::string message = message_of([&] { info_of(fault.name); });
    expect_parts(message, fault.parts);
    expect_parts(message, {files() / (std::string(fault.name) + ".h5: ")});
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

TEST(Dataset, FindsChangedNumbersByTheirDigest) {
  const DatasetInfo info = info_of("wrong_digest");
  expect_parts(message_of([&] { verify_dataset_digests(info); }), {"/train/x", "damaged", "SHA-256"});
  expect_parts(message_of([&] { verify_dataset_digests(info_of("good_without_digests")); }),
               {"sha256", "missing"});
}

TEST(Dataset, TellsMissingEmptyForeignAndTruncatedFilesApart) {
  const TemporaryDirectory directory;
  write_text(directory / "empty.h5", "");
  write_text(directory / "text.h5", "1,2,3\n");
  const auto message = [&](const std::string& name) {
    return message_of([&] { read_dataset_info(directory / name); });
  };
  expect_parts(message("none.h5"), {directory / "none.h5", "no such file"});
  expect_parts(message("empty.h5"), {"expected an HDF5 file, found an empty file"});
  expect_parts(message("text.h5"), {"expected an HDF5 file, found something else"});
  expect_parts(message("."), {"found a directory"});
}

TEST(Dataset, RefusesAFileCutAtAnyLength) {
  const TemporaryDirectory directory;
  const std::string whole = read_text(files() / "good_plain.h5");
  for (std::size_t bytes = 0; bytes < whole.size(); bytes += 97) {
    write_text(directory / "cut.h5", whole.substr(0, bytes));
    expect_parts(message_of([&] { read_dataset_info(directory / "cut.h5"); }), {directory / "cut.h5"});
  }
}

TEST(Dataset, WriterRefusesTooFewRowsAndLeavesNothing) {
  const TemporaryDirectory directory;
  const DatasetAttributes attributes{Task::classification, {"a", "b"}, 1, "test"};
  const std::vector<float> x(6);
  const auto write = [&](DatasetWriter& writer) {
    ArrayWriter array = writer.array(Split::train, "x", ElementType::float32, {3, 3});
    array.append(x.data(), 2);
    array.finish();
  };
  expect_parts(message_of([&] { write_dataset(directory / "a.h5", attributes, write); }),
               {directory / "a.h5: /train/x", "expected 3 rows, found 2"});
  EXPECT_TRUE(directory.empty());
}

TEST(Dataset, ReadsOnlyWhatIsThereBeforeAskingForMemory) {
  const DatasetInfo info = info_of("more_than_memory");
  const std::string message = message_of<UserError>([&] {
    read_rows_serial<float>(info, Split::train, {{0, info.train_rows}});
  });
  expect_parts(message, {"/train", "1099511627776 rows", "of memory"});
}

TEST(Dataset, NamesTheRowOfBadNumbers) {
  const std::vector<Fault> faults{
      {"label_too_large", {"/train/y: row 33", "from 0 to 2", "found 3"}},
      {"label_negative", {"/train/y: row 41", "found -1"}},
      {"label_beyond_32_bits", {"/train/y: row 5", "found 4294967297"}},
      {"binary_two", {"/train/y: row 2", "expected 0 or 1, found 2"}},
      {"nan", {"/train/x: row 44, column 7", "nan"}},
      {"inf", {"/train/x: row 44, column 7", "-inf"}},
      {"beyond_float32", {"/train/x: row 11, column 0", "float32", "inf"}},
      {"nan_target", {"/train/y: row 9", "nan"}},
  };
  for (const Fault& fault : faults) {
    SCOPED_TRACE(fault.name);
    const DatasetInfo info = info_of(fault.name);
    expect_parts(message_of([&] { read_rows_serial<float>(info, Split::train, {{0, 50}}); }), fault.parts);
    expect_parts(message_of([&] {
                   read_rows_serial<float>(info, Split::train, {{2, 3}, {5, 6}, {9, 20}, {30, 50}});
                 }),
                 fault.parts);
  }
}

TEST(Dataset, ReadsClassesSerially) {
  const std::vector<std::int32_t> classes = read_classes_serial(info_of("good_plain"), Split::test);
  ASSERT_EQ(classes.size(), 20u);
  for (std::size_t i = 0; i < classes.size(); ++i) EXPECT_EQ(classes[i], static_cast<std::int32_t>(i % 3));
  EXPECT_THROW(read_classes_serial(info_of("good_regression"), Split::train), UserError);
}

}  // namespace
}  // namespace lockstep
