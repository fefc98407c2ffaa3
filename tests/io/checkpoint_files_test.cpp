#include "io_fixture.hpp"
#include "lockstep/io/checkpoint.hpp"

namespace lockstep {
namespace {

void make_steps(const TemporaryDirectory& directory, const std::vector<std::uint64_t>& steps) {
  for (const std::uint64_t step : steps) {
    write_text(directory / checkpoint_file_name(step), std::to_string(step));
  }
}

TEST(CheckpointFiles, AreListedLatestStepFirst) {
  const TemporaryDirectory directory;
  make_steps(directory, {7, 4690, 123'456'789'012, 99'999'999, 0});
  for (const char* name :
       {"best", "last", "step-.h5", "step-1x.h5", "step-5.txt", ".step-00000009.h5.tmp-1-1"}) {
    write_text(directory / name, "");
  }
  EXPECT_EQ(checkpoint_file_name(4690), "step-00004690.h5");
  EXPECT_EQ(checkpoints_newest_first(directory.path()),
            (std::vector<std::string>{directory / "step-123456789012.h5", directory / "step-99999999.h5",
                                      directory / "step-00004690.h5", directory / "step-00000007.h5",
                                      directory / "step-00000000.h5"}));
  EXPECT_TRUE(checkpoints_newest_first(directory / "none").empty());
}

TEST(CheckpointFiles, BestAndLastSurviveTheDeletionOfOldOnes) {
  const TemporaryDirectory directory;
  make_steps(directory, {1, 2, 3, 4});
  mark_best_checkpoint(directory / checkpoint_file_name(2));
  for (const std::uint64_t step : {1, 2, 3, 4}) mark_last_checkpoint(directory / checkpoint_file_name(step));
  delete_old_checkpoints(directory.path(), 1);
  EXPECT_EQ(checkpoints_newest_first(directory.path()).size(), 1u);
  EXPECT_EQ(read_text(directory / "best"), "2");
  EXPECT_EQ(read_text(directory / "last"), "4");
  EXPECT_EQ(files_in(directory.path()), 3u);
}

TEST(CheckpointFiles, ARunDirectoryMeansItsBestElseLastElseNewest) {
  const TemporaryDirectory run;
  std::filesystem::create_directory(run / "checkpoints");
  const std::string path = run / "checkpoints/step-00000005.h5";
  expect_parts(message_of([&] { find_checkpoint(run.path()); }), {run.path(), "found none"});
  write_text(path, "");
  EXPECT_EQ(find_checkpoint(run.path()), path);
  mark_last_checkpoint(path);
  EXPECT_EQ(find_checkpoint(run.path()), run / "checkpoints/last");
  mark_best_checkpoint(path);
  EXPECT_EQ(find_checkpoint(run.path()), run / "checkpoints/best");
  EXPECT_EQ(find_checkpoint(run / "checkpoints"), run / "checkpoints/best");
  EXPECT_EQ(find_checkpoint(path), path);
  expect_parts(message_of([&] { find_checkpoint(run / "none"); }), {"none", "no such"});
}

}  // namespace
}  // namespace lockstep
