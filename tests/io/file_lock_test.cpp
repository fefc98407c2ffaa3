#include "lockstep/io/file_lock.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "temporary_directory.hpp"
#include "user_error_message.hpp"

namespace lockstep {
namespace {

TEST(FileLock, IsHeldByOneAndNamesItsHolder) {
  const TemporaryDirectory directory;
  {
    const FileLock lock(directory / "a");
    try {
      const FileLock second(directory / "a");
      ADD_FAILURE() << "held twice";
    } catch (const LockedError& error) {
      EXPECT_NE(std::string(error.what()).find("process " + std::to_string(::getpid())), std::string::npos);
    }
  }
  const FileLock free_again(directory / "a");
}

TEST(FileLock, GoesWithItsProcess) {
  const TemporaryDirectory directory;
  const pid_t child = ::fork();
  if (child == 0) {
    const FileLock lock(directory / "a");
    ::_exit(0);
  }
  int status = 1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  const FileLock lock(directory / "a");
}

TEST(FileLock, RefusesAPlaceThatCannotBeWritten) {
  const TemporaryDirectory directory;
  EXPECT_THROW(FileLock(directory / "none/a"), FileError);
}

TEST(FileLock, WritesNothingThroughALink) {
  const TemporaryDirectory directory;
  write_text(directory / "precious", "text");
  std::filesystem::create_symlink("precious", directory / "a");
  EXPECT_NE(user_error_message([&] { FileLock(directory / "a"); }).find("found: a symbolic link"),
            std::string::npos);
  EXPECT_EQ(read_text(directory / "precious"), "text");
}

}  // namespace
}  // namespace lockstep
