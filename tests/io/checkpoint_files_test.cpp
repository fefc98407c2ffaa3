#include <dirent.h>
#include <dlfcn.h>
#include <sys/stat.h>

#include <cerrno>

#include "io_fixture.hpp"
#include "lockstep/io/checkpoint.hpp"

namespace {
int reads_before_error = -1;
}

/// Stands in front of libc's: directories can be made to break in the middle.
extern "C" dirent* readdir(DIR* directory) {
  static const auto real = reinterpret_cast<dirent* (*)(DIR*)>(::dlsym(RTLD_NEXT, "readdir"));
  if (reads_before_error == 0) {
    errno = EIO;
    return nullptr;
  }
  if (reads_before_error > 0) --reads_before_error;
  return real(directory);
}

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

TEST(CheckpointFiles, NewerOnesAreDeletedWhetherTheOneMeantIsThereOrNot) {
  for (const bool is_there : {true, false}) {
    const TemporaryDirectory directory;
    make_steps(directory, {3, 5, 12, 100'000'000});
    if (is_there) make_steps(directory, {7});
    delete_newer_checkpoints(directory.path(), 7);
    std::vector<std::string> kept{directory / checkpoint_file_name(5), directory / checkpoint_file_name(3)};
    if (is_there) kept.insert(kept.begin(), directory / checkpoint_file_name(7));
    EXPECT_EQ(checkpoints_newest_first(directory.path()), kept);
  }
}

TEST(CheckpointFiles, WhatCannotBeReadIsToldFromWhatIsDamagedOrGone) {
  const TemporaryDirectory directory;
  make_steps(directory, {1});
  EXPECT_EQ(why_unreadable(directory / checkpoint_file_name(1)), "");
  EXPECT_EQ(why_unreadable(directory / checkpoint_file_name(2)), "");
  const std::string loop = directory / checkpoint_file_name(3);
  std::filesystem::create_symlink(loop, loop);
  EXPECT_EQ(why_unreadable(loop), "Too many levels of symbolic links");
  EXPECT_EQ(why_unreadable(directory / "."), "Is a directory");
  EXPECT_EQ(why_unreadable("/proc/self/mem"), "Input/output error");  // nothing is at address 0
}

TEST(CheckpointFiles, PipesAndDevicesAreDamagedAndNotWaitedFor) {
  const TemporaryDirectory directory;
  const std::string pipe = directory / checkpoint_file_name(1), zeros = directory / checkpoint_file_name(2);
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::filesystem::create_symlink("/dev/zero", zeros);
  for (const std::string& path : {pipe, zeros}) {
    EXPECT_EQ(why_unreadable(path), "");
    expect_parts(damage_found(path, [&] { read_checkpoint_state(path); }), {path, "expected a regular file"});
  }
}

TEST(CheckpointFiles, AreDamagedIfTwoReadsSaySoAndTheBytesAreThere) {
  const TemporaryDirectory directory;
  make_steps(directory, {1});
  const std::string path = directory / checkpoint_file_name(1);
  int failures = 0;
  const auto read = [&] {
    if (failures-- > 0) throw FileError("bad " + std::to_string(failures));
  };
  EXPECT_EQ(damage_found(path, read), "");
  failures = 1;
  EXPECT_EQ(damage_found(path, read), "");
  failures = 2;
  EXPECT_EQ(damage_found(path, read), "bad 0");
  failures = 1;
  EXPECT_THROW(damage_found(directory / ".", read), UnreadableError);
}

TEST(CheckpointFiles, ADirectoryThatCannotBeReadToItsEndIsAFileErrorAndNotEmpty) {
  const TemporaryDirectory directory;
  make_steps(directory, {1, 2, 3});
  for (const int reads : {0, 1, 4}) {
    reads_before_error = reads;
    const std::string message = message_of([&] { checkpoints_newest_first(directory.path()); });
    reads_before_error = -1;
    expect_parts(message, {directory.path(), "Input/output error"});
  }
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
