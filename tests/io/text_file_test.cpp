#include "lockstep/io/text_file.hpp"

#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "io_fixture.hpp"

namespace lockstep {
namespace {

TEST(TextFile, IsReadWhole) {
  const TemporaryDirectory directory;
  for (const std::string& text : {std::string(), std::string("a\r\n\0b", 5), std::string(100'000, 'x')}) {
    write_text(directory / "file", text);
    EXPECT_EQ(read_text_file(directory / "file"), text);
  }
}

TEST(TextFile, SaysWhyItCannotBeRead) {
  const TemporaryDirectory directory;
  expect_parts(message_of([&] { read_text_file(directory / "none"); }), {directory / "none", "no such file"});
  expect_parts(message_of([&] { read_text_file(directory.path()); }),
               {directory.path(), "found a directory"});
  std::filesystem::create_symlink("loop", directory / "loop");
  expect_parts(message_of([&] { read_text_file(directory / "loop"); }),
               {directory / "loop", "Too many levels of symbolic links"});
}

TEST(TextFile, ThatTheDiskDoesNotGiveIsNotTheUsersMistake) {
  // Nothing is at address 0.
  expect_parts(message_of<UnreadableError>([] { read_text_file("/proc/self/mem"); }),
               {"/proc/self/mem", "expected a readable file, found: Input/output error"});
}

TEST(TextFile, AsksForNoMemoryThatItDoesNotNeed) {
  const TemporaryDirectory directory;
  expect_parts(message_of([] { read_text_file("/dev/zero"); }),
               {"/dev/zero", "expected a regular file, found a device"});
  write_text(directory / "file", "abc");
  EXPECT_EQ(read_text_file(directory / "file", 3), "abc");
  expect_parts(message_of([&] { read_text_file(directory / "file", 2); }),
               {directory / "file", "at most 2 B, found 3 B"});
  std::filesystem::resize_file(directory / "file", std::uint64_t{1} << 43);
  expect_parts(message_of<UserError>([&] { read_text_file(directory / "file"); }), {"8.0 TiB of memory"});
}

TEST(TextFile, IsReadFromAPipeUpToItsLimit) {
  const TemporaryDirectory directory;
  ASSERT_EQ(::mkfifo((directory / "pipe").c_str(), 0600), 0);
  const auto read = [&](std::uint64_t most_bytes) {
    const std::jthread writer([&] { write_text(directory / "pipe", "abc"); });
    std::string found;
    try {
      found = read_text_file(directory / "pipe", most_bytes);
    } catch (const FileError& error) {
      found = error.what();
    }
    return found;
  };
  EXPECT_EQ(read(3), "abc");
  expect_parts(read(2), {directory / "pipe", "at most 2 B, found more"});
  expect_parts(message_of([&] { read_text_file(directory / "pipe", 3); }),
               {directory / "pipe", "found a FIFO without a writer"});
}

TEST(TextFile, WaitsForAWriterThatTakesItsTime) {
  const TemporaryDirectory directory;
  const std::string pipe = directory / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::jthread writer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    std::ofstream file(pipe);
    for (const char* part : {"a", "b"}) {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      file << part << std::flush;
    }
  });
  EXPECT_EQ(read_text_file(pipe, 10), "ab");
}

}  // namespace
}  // namespace lockstep
