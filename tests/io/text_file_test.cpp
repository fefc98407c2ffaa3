#include "lockstep/io/text_file.hpp"

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
}

TEST(TextFile, AsksForNoMemoryThatItDoesNotNeed) {
  const TemporaryDirectory directory;
  expect_parts(message_of([] { read_text_file("/dev/zero"); }), {"/dev/zero", "expected a regular file"});
  write_text(directory / "file", "abc");
  EXPECT_EQ(read_text_file(directory / "file", 3), "abc");
  expect_parts(message_of([&] { read_text_file(directory / "file", 2); }),
               {directory / "file", "at most 2 B, found 3 B"});
  std::filesystem::resize_file(directory / "file", std::uint64_t{1} << 43);
  expect_parts(message_of<UserError>([&] { read_text_file(directory / "file"); }), {"8.0 TiB of memory"});
}

}  // namespace
}  // namespace lockstep
