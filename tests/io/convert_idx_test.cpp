#include <cstdlib>

#include "io_fixture.hpp"
#include "lockstep/io/converters.hpp"
#include "lockstep/io/shard_reader.hpp"

namespace lockstep {
namespace {

std::string pixels(std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes += static_cast<char>(i * 37 % 256);
  return bytes;
}

/// A directory with four small IDX files: 5 and 3 images of 2 × 3, plain or compressed.
class ConvertIdx : public ::testing::Test {
 protected:
  ConvertIdx() {
    write_text(directory_ / "train-images-idx3-ubyte", idx_bytes({5, 2, 3}, pixels(30)));
    write_gzip(directory_ / "train-labels.idx1-ubyte.gz", idx_bytes({5}, std::string("\0\1\2\1\0", 5)));
    write_gzip(directory_ / "t10k-images-idx3-ubyte.gz", idx_bytes({3, 2, 3}, pixels(18)));
    write_text(directory_ / "t10k-labels-idx1-ubyte", idx_bytes({3}, std::string("\0\1\3", 3)));
  }

  DatasetInfo convert() { return convert_idx({directory_.path(), {}}, output_ / "out.h5"); }

  /// The message with one file replaced; nothing may be left behind.
  std::string message_with(const std::string& name, const std::string& bytes) {
    write_text(directory_ / name, bytes);
    const std::string message = message_of([&] { convert(); });
    EXPECT_TRUE(output_.empty());
    expect_parts(message, {directory_ / name});
    return message;
  }

  TemporaryDirectory directory_, output_;
};

TEST_F(ConvertIdx, WritesADatasetFile) {
  const DatasetInfo info = convert();
  EXPECT_EQ(info.path, output_ / "out.h5");
  EXPECT_EQ(info.task, Task::classification);
  EXPECT_EQ(info.train_rows, 5u);
  EXPECT_EQ(info.test_rows, 3u);
  EXPECT_EQ(info.x_shape, (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(info.class_names, (std::vector<std::string>{"0", "1", "2", "3"}));
  EXPECT_EQ(info.x_scale, 1.0 / 255);
  verify_dataset_digests(info);
  const Rows<float> rows = read_rows_serial<float>(info, Split::test, {{1, 3}});
  EXPECT_EQ(rows.classes, (std::vector<std::int32_t>{1, 3}));
  EXPECT_EQ(std::string(rows.x_u8.begin(), rows.x_u8.end()), pixels(18).substr(6));
  EXPECT_EQ(files_in(output_.path()), 1u);
}

TEST_F(ConvertIdx, GivesTheSameBytesEachTime) {
  convert();
  const std::string first = read_text(output_ / "out.h5");
  convert();
  EXPECT_EQ(read_text(output_ / "out.h5"), first);
}

TEST_F(ConvertIdx, TakesClassNames) {
  const DatasetInfo info = convert_idx({directory_.path(), {"a", "b", "c", "d"}}, output_ / "out.h5");
  EXPECT_EQ(info.class_names.at(3), "d");
  const IdxSource too_few{directory_.path(), {"a", "b", "c"}};
  expect_parts(message_of<UserError>([&] { convert_idx(too_few, output_ / "b.h5"); }),
               {"4 classes", "found 3"});
}

TEST_F(ConvertIdx, RefusesABadMagicNumber) {
  std::string bytes = idx_bytes({5, 2, 3}, pixels(30));
  bytes[2] = '\x0d';
  expect_parts(message_with("train-images-idx3-ubyte", bytes),
               {"expected magic number 0x00000803", "0x00000d03"});
  expect_parts(message_with("train-images-idx3-ubyte", "photo"), {"magic number", "0x70686f74"});
  expect_parts(message_with("train-images-idx3-ubyte", ""), {"header", "end of the file"});
  expect_parts(message_with("train-images-idx3-ubyte", idx_bytes({5}, pixels(5))),
               {"0x00000803", "0x00000801"});
}

TEST_F(ConvertIdx, RefusesWrongCounts) {
  expect_parts(message_with("t10k-labels-idx1-ubyte", idx_bytes({2}, pixels(2))),
               {"expected 3 labels", "found 2"});
  expect_parts(message_with("t10k-labels-idx1-ubyte", idx_bytes({3}, pixels(2))),
               {"expected 3 rows", "found 2"});
}

TEST_F(ConvertIdx, RefusesMissingAndTrailingBytes) {
  expect_parts(message_with("train-images-idx3-ubyte", idx_bytes({5, 2, 3}, pixels(29))),
               {"5 rows of 6", "29"});
  expect_parts(message_with("train-images-idx3-ubyte", idx_bytes({5, 2, 3}, pixels(31))),
               {"found more bytes"});
}

TEST_F(ConvertIdx, RefusesPromisesLargerThanTheFile) {
  const std::string name = "train-images-idx3-ubyte";
  expect_parts(message_with(name, idx_bytes({5, 1u << 31, 1u << 31}, "")), {"more than the file can hold"});
  expect_parts(message_with(name, idx_bytes({~0u, ~0u, ~0u}, "")), {"more than the file can hold"});
}

TEST_F(ConvertIdx, RefusesTornGzip) {
  const std::string whole = read_text(directory_ / "t10k-images-idx3-ubyte.gz");
  expect_parts(message_with("t10k-images-idx3-ubyte.gz", whole.substr(0, whole.size() - 5)), {"torn gzip"});
  expect_parts(message_with("t10k-images-idx3-ubyte.gz", whole + "x"), {"bytes after the end"});
}

TEST_F(ConvertIdx, NamesWhatIsMissing) {
  std::filesystem::remove(directory_ / "train-labels.idx1-ubyte.gz");
  expect_parts(message_of([&] { convert(); }), {directory_.path(), "train-labels-idx1-ubyte.gz"});
  expect_parts(message_of([&] {
                 convert_idx({directory_ / "none", {}}, output_ / "out.h5");
               }),
               {"none", "directory"});
}

TEST_F(ConvertIdx, AgreesWithAnIndependentReader) {
  convert();
  EXPECT_TRUE(run_python("check_idx.py", directory_.path() + " " + output_ / "out.h5"));
}

TEST(ConvertMnist, AgreesWithAnIndependentReader) {
  const char* directory = std::getenv("MNIST_DIR");
  if (directory == nullptr) return;
  const TemporaryDirectory output;
  const DatasetInfo info = convert_idx({directory, {}}, output / "mnist.h5");
  EXPECT_EQ(info.train_rows, 60'000u);
  EXPECT_EQ(info.test_rows, 10'000u);
  EXPECT_EQ(info.features, 784u);
  EXPECT_EQ(info.outputs, 10u);
  verify_dataset_digests(info);
  EXPECT_TRUE(run_python("check_idx.py", std::string(directory) + " " + output / "mnist.h5"));
}

}  // namespace
}  // namespace lockstep
