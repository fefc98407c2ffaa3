#include "lockstep/io/atomic_file.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

#include "io_fixture.hpp"

namespace lockstep {
namespace {

TEST(AtomicFile, ReplacesTheContent) {
  const TemporaryDirectory directory;
  write_file_atomically(directory / "a", "old");
  write_file_atomically(directory / "a", "new");
  EXPECT_EQ(read_text(directory / "a"), "new");
  EXPECT_EQ(files_in(directory.path()), 1u);
}

TEST(AtomicFile, MakesDirectories) {
  const TemporaryDirectory directory;
  std::error_code error;
  EXPECT_EQ(make_directories(directory / "a/b/c/", error), directory / "a");
  EXPECT_TRUE(std::filesystem::is_directory(directory / "a/b/c"));
  EXPECT_EQ(make_directories(directory / "a/b/c", error), "");
  EXPECT_EQ(make_directories(directory / "a/b/d", error), directory / "a/b/d");
  EXPECT_FALSE(error);
  write_file_atomically(directory / "file", "text");
  make_directories(directory / "file/a", error);
  EXPECT_TRUE(error);
}

TEST(AtomicFile, ReplacesInPassing) {
  const TemporaryDirectory directory;
  replace_file(directory / "a", "old");
  replace_file(directory / "a", "new");
  EXPECT_EQ(read_text(directory / "a"), "new");
  EXPECT_EQ(files_in(directory.path()), 1u);
  EXPECT_THROW(replace_file(directory / "none/a", "text"), FileError);
}

TEST(AtomicFile, KeepsTheOldContentIfWritingFails) {
  const TemporaryDirectory directory;
  write_file_atomically(directory / "a", "old");
  const auto torn_write = [](const std::string& path) {
    write_text(path, "half");
    throw std::runtime_error("disk on fire");
  };
  EXPECT_THROW(write_file_atomically(directory / "a", torn_write), std::runtime_error);
  EXPECT_EQ(read_text(directory / "a"), "old");
  EXPECT_EQ(files_in(directory.path()), 1u);
}

TEST(AtomicFile, KeepsTheOldContentIfTheProcessDies) {
  const TemporaryDirectory directory;
  write_file_atomically(directory / "a", "old");
  const pid_t child = ::fork();
  if (child == 0) {
    write_file_atomically(directory / "a", [](const std::string& path) {
      write_text(path, "half");
      ::_exit(9);
    });
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 9);
  EXPECT_EQ(read_text(directory / "a"), "old");
  EXPECT_EQ(files_in(directory.path()), 2u);
  remove_temporary_files(directory.path(), [](const std::string& name) { return name == "b"; });
  EXPECT_EQ(files_in(directory.path()), 2u);
  remove_temporary_files(directory.path(), [](const std::string& name) { return name == "a"; });
  EXPECT_EQ(files_in(directory.path()), 1u);
}

TEST(AtomicFile, ASignalThatEndsTheProcessRemovesTheTemporaryFile) {
  const TemporaryDirectory directory;
  write_file_atomically(directory / "a", "old");
  const pid_t child = ::fork();
  if (child == 0) {
    remove_temporary_file_on_signals();
    write_file_atomically(directory / "a", [](const std::string& path) {
      write_text(path, "half");
      ::raise(SIGTERM);
    });
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  EXPECT_EQ(read_text(directory / "a"), "old");
  EXPECT_EQ(files_in(directory.path()), 1u);
}

TEST(AtomicFile, NamesWhatCannotBeWritten) {
  const TemporaryDirectory directory;
  expect_parts(message_of([&] { write_file_atomically(directory / "none/a", "text"); }),
               {directory / "none/a", "not an existing directory"});
  expect_parts(message_of([&] { write_file_atomically(directory.path(), "text"); }), {"it is a directory"});
  EXPECT_TRUE(directory.empty());
}

TEST(AtomicFile, LinksReplaceEachOtherAndSurviveTheTarget) {
  const TemporaryDirectory directory;
  write_text(directory / "one", "1");
  write_text(directory / "two", "2");
  link_file_atomically(directory / "one", directory / "last");
  link_file_atomically(directory / "one", directory / "last");
  EXPECT_EQ(files_in(directory.path()), 3u);
  link_file_atomically(directory / "two", directory / "last");
  std::filesystem::remove(directory / "two");
  EXPECT_EQ(read_text(directory / "last"), "2");
  EXPECT_EQ(files_in(directory.path()), 2u);
  expect_parts(message_of([&] { link_file_atomically(directory / "gone", directory / "last"); }), {"gone"});
}

}  // namespace
}  // namespace lockstep
