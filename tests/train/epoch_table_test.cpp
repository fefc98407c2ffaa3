#include "lockstep/train/epoch_table.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <limits>

#include "lockstep/core/error.hpp"
#include "temporary_directory.hpp"

namespace lockstep {
namespace {

class EpochTableTest : public ::testing::Test {
 protected:
  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "table.csv";
  EpochTable table_{path_, {"step", "loss"}};
};

TEST_F(EpochTableTest, MakesNoFileBeforeItIsOpened) {
  EXPECT_TRUE(directory_.empty());
}

TEST_F(EpochTableTest, AppendsRows) {
  table_.open_after(0);
  table_.append(1, {{"10", "0.5"}});
  table_.append(2, {{"20", ""}});
  EXPECT_EQ(read_text(path_), "epoch,step,loss\n1,10,0.5\n2,20,\n");
}

TEST_F(EpochTableTest, DropsRowsAfterTheCheckpoint) {
  write_text(path_, "epoch,step,loss\n1,10,0.5\n2,20,0.4\n3,30,0.3\n");
  table_.open_after(2);
  EXPECT_EQ(read_text(path_), "epoch,step,loss\n1,10,0.5\n2,20,0.4\n");
}

TEST_F(EpochTableTest, AnyTornEndIsRemoved) {
  const std::string whole = "epoch,step,loss\n1,10,0.5\n2,20,0.4\n";
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    write_text(path_, whole.substr(0, length));
    table_.open_after(2);
    const std::string expected = length < 25   ? whole.substr(0, 16)
                                 : length < 34 ? whole.substr(0, 25)
                                               : whole;
    EXPECT_EQ(read_text(path_), expected) << "killed after " << length << " bytes";
  }
}

TEST_F(EpochTableTest, KeepsSeveralRowsOfAnEpoch) {
  const std::string whole = "epoch,step,loss\n1,10,0.5\n1,10,0.6\n2,20,0.4\n";
  write_text(path_, whole);
  table_.open_after(2);
  EXPECT_EQ(read_text(path_), whole);
}

TEST_F(EpochTableTest, RefusesAnotherTable) {
  write_text(path_, "name,age\nx,1\n");
  EXPECT_THROW(table_.open_after(0), FileError);
  EXPECT_EQ(read_text(path_), "name,age\nx,1\n");
}

/// Files of this process can be at most that long while it lives, as on a full disk. Needs SIGXFSZ ignored.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

TEST_F(EpochTableTest, RowsThatTheDiskRefusesComeWithTheNextOnes) {
  table_.open_after(0);
  table_.append(1, {{"10", "0.5"}});
  {
    const FileSizeLimit full(28);  // in the middle of the next row
    EXPECT_THROW(table_.append(2, {{"20", "0.25"}}), FileError);
    EXPECT_THROW(table_.append(3, {{"30", "0.125"}}), FileError);
    EXPECT_THROW(table_.sync(), FileError);
  }
  table_.sync();
  EXPECT_EQ(read_text(path_), "epoch,step,loss\n1,10,0.5\n2,20,0.25\n3,30,0.125\n");
}

TEST_F(EpochTableTest, AFileThatIsGoneOrCutOffIsWrittenAgain) {
  table_.open_after(0);
  table_.append(1, {{"10", "0.5"}});
  std::filesystem::remove(path_);
  table_.append(2, {{"20", "0.25"}});
  EXPECT_EQ(read_text(path_), "epoch,step,loss\n1,10,0.5\n2,20,0.25\n");
  write_text(path_, "epoch,step");
  table_.sync();
  EXPECT_EQ(read_text(path_), "epoch,step,loss\n1,10,0.5\n2,20,0.25\n");
}

TEST(CsvCell, ReadsBackExactlyAndLeavesNaNBlank) {
  EXPECT_EQ(csv_cell(std::numeric_limits<double>::quiet_NaN()), "");
  for (const double value : {0.1, 1.0 / 3, 2.2250738585072014e-308, 123456789.123456789}) {
    EXPECT_EQ(std::stod(csv_cell(value)), value);
  }
}

}  // namespace
}  // namespace lockstep
