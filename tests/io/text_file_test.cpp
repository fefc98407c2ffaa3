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
  expect_parts(message_of([&] { read_text_file(directory / "none"); }), {directory / "none", "No such file"});
  expect_parts(message_of([&] { read_text_file(directory.path()); }), {directory.path(), "Is a directory"});
}

}  // namespace
}  // namespace lockstep
