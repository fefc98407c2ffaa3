#include "lockstep/io/table_input.hpp"

#include "io_fixture.hpp"

namespace lockstep {
namespace {

class TableInput : public ::testing::Test {
 protected:
  TableInput() { EXPECT_TRUE(run_python("make_sources.py", directory_.path())); }

  Rows<float> read(const std::string& name, std::size_t features, const std::string& dataset = "",
                   const std::vector<std::string>& drop = {}) const {
    return read_features<float>({directory_ / name, dataset, drop}, features, 0.5);
  }

  TemporaryDirectory directory_;
};

TEST_F(TableInput, ReadsCsv) {
  write_gzip(directory_ / "a.csv.gz", "a,label,b\n1,x,2\n3,y,4\n");
  const Rows<float> rows = read("a.csv.gz", 2, "", {"label"});
  EXPECT_EQ(rows.count, 2u);
  EXPECT_EQ(rows.x_real, (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(rows.x_scale, 0.5);
  std::vector<float> row(2);
  rows.copy_x(1, row.data());
  EXPECT_EQ(row, (std::vector<float>{1.5, 2}));
}

TEST_F(TableInput, ReadsIdx) {
  write_gzip(directory_ / "images.gz", idx_bytes({2, 1, 3}, "abcdef"));
  const Rows<float> rows = read("images.gz", 3);
  EXPECT_EQ(rows.count, 2u);
  EXPECT_EQ(rows.x_u8, (std::vector<std::uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'}));
}

TEST_F(TableInput, AsksForMemoryBeforeItReadsAnIdxFile) {
  const std::string path = directory_ / "sparse";
  write_text(path, idx_bytes({0xffffffff, 1, 1024}, ""));
  std::filesystem::resize_file(path, 16 + (std::uint64_t{0xffffffff} << 10));
  expect_parts(message_of<UserError>([&] { read("sparse", 1024); }), {path, "4.0 TiB of memory"});
}

TEST_F(TableInput, ReadsHdf5) {
  EXPECT_EQ(read("plain.h5", 3).count, 4u);  // /test/x before /train/x
  EXPECT_EQ(read("plain.h5", 3, "/train/x").count, 8u);
  EXPECT_EQ(read("keras.h5", 6, "x_test").x_u8.size(), 60u);
  EXPECT_EQ(read("types.h5", 2, "/f4be").x_real, (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

TEST_F(TableInput, NamesFaults) {
  write_text(directory_ / "a.csv", "a,b\n1,2\nx,4\n");
  write_text(directory_ / "noise", std::string("\x7f\x45\0\0", 4));
  const auto message = [&](const std::string& name, std::size_t features, const std::string& dataset = "") {
    return message_of([&] { read(name, features, dataset); });
  };
  expect_parts(message("none", 2), {"none", "no such file"});
  expect_parts(message("a.csv", 3), {"a.csv: line 1", "rows of 3", "found 2"});
  expect_parts(message("a.csv", 2), {"line 3, column 'a'", "'x'"});
  expect_parts(message("noise", 2), {"noise", "zero byte"});
  expect_parts(message("plain.h5", 4), {"/test/x", "rows of 4", "found 3"});
  expect_parts(message("keras.h5", 6), {"expected an array /x, /test/x or /train/x"});
  expect_parts(message("bad.h5", 2, "/train/x"), {"/train/x: row 3, column 1", "nan"});
  expect_parts(message("bad.h5", 1, "/train/y"), {"(N, F)", "(6)"});
  expect_parts(message("bad.h5", 2, "/no_rows"), {"bad.h5: /no_rows: expected rows, found none"});
  write_text(directory_ / "empty.h5", "");
  expect_parts(message("empty.h5", 2), {"empty.h5: expected an HDF5 file, found an empty file"});
  write_text(directory_ / "a.hdf5", "a,b\n1,2\n");
  expect_parts(message("a.hdf5", 2), {"a.hdf5: expected an HDF5 file, found something else"});
}

}  // namespace
}  // namespace lockstep
