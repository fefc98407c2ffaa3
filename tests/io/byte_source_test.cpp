#include "byte_source.hpp"

#include "io_fixture.hpp"

namespace lockstep {
namespace {

std::string read_all(const std::string& path) {
  ByteSource source(path);
  std::string text, part(1000, '\0');
  while (true) {
    const std::size_t count = source.read(std::as_writable_bytes(std::span(part)));
    text.append(part, 0, count);
    if (count < part.size()) return text;
  }
}

std::string some_text() {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i * 7919 % 1000);
  return text;
}

TEST(ByteSource, ReadsPlainAndCompressedFilesAlike) {
  const TemporaryDirectory directory;
  const std::string text = some_text();
  write_text(directory / "plain", text);
  write_gzip(directory / "gzip", text);
  EXPECT_EQ(read_all(directory / "plain"), text);
  EXPECT_EQ(read_all(directory / "gzip"), text);
}

TEST(ByteSource, ReadsSeveralGzipMembers) {
  const TemporaryDirectory directory;
  write_gzip(directory / "one", "first ");
  write_gzip(directory / "two", "second");
  write_text(directory / "both", read_text(directory / "one") + read_text(directory / "two"));
  EXPECT_EQ(read_all(directory / "both"), "first second");
}

TEST(ByteSource, FindsTornGzipFilesAtEveryLength) {
  const TemporaryDirectory directory;
  write_gzip(directory / "whole", "some text that is short");
  const std::string whole = read_text(directory / "whole");
  for (std::size_t bytes = 2; bytes < whole.size(); ++bytes) {
    write_text(directory / "torn", whole.substr(0, bytes));
    expect_parts(message_of([&] { read_all(directory / "torn"); }), {directory / "torn", "torn gzip"});
  }
}

TEST(ByteSource, FindsDamageAndTrailingBytes) {
  const TemporaryDirectory directory;
  write_gzip(directory / "whole", some_text());
  std::string bytes = read_text(directory / "whole");
  write_text(directory / "more", bytes + "garbage");
  expect_parts(message_of([&] { read_all(directory / "more"); }), {"bytes after the end"});
  bytes[bytes.size() - 6] = static_cast<char>(bytes[bytes.size() - 6] ^ 1);  // in the check sum
  write_text(directory / "damaged", bytes);
  expect_parts(message_of([&] { read_all(directory / "damaged"); }), {"damaged gzip"});
}

TEST(ByteSource, NamesMissingFilesAndDirectories) {
  const TemporaryDirectory directory;
  expect_parts(message_of([&] { read_all(directory / "none"); }), {directory / "none", "no such file"});
  expect_parts(message_of([&] { read_all(directory.path()); }), {"expected a file, found a directory"});
}

}  // namespace
}  // namespace lockstep
