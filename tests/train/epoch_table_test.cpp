#include "lockstep/train/epoch_table.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "lockstep/core/error.hpp"
#include "temporary_directory.hpp"

namespace lockstep {
namespace {

class EpochTableTest : public testing::Test {
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
  table_.append(1, {"10", "0.5"});
  table_.append(2, {"20", ""});
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

TEST(CsvCell, ReadsBackExactlyAndLeavesNaNBlank) {
  EXPECT_EQ(csv_cell(std::numeric_limits<double>::quiet_NaN()), "");
  for (const double value : {0.1, 1.0 / 3, 2.2250738585072014e-308, 123456789.123456789}) {
    EXPECT_EQ(std::stod(csv_cell(value)), value);
  }
}

}  // namespace
}  // namespace lockstep
