#include "lockstep/dist/shared_memory.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace lockstep {
namespace {

constexpr std::size_t page_bytes = 4096;

/// Two pages of a file that has only one, as of a file system that has become full: writing to the second one
/// ends a process.
class HalfAFile {
 public:
  HalfAFile() {
    char name[] = "/tmp/lockstep-pages-XXXXXX";
    const int file = ::mkstemp(name);
    ::unlink(name);
    EXPECT_EQ(::ftruncate(file, page_bytes), 0);
    data_ = ::mmap(nullptr, 2 * page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    EXPECT_NE(data_, MAP_FAILED);
    ::close(file);
  }
  ~HalfAFile() { ::munmap(data_, 2 * page_bytes); }
  HalfAFile(const HalfAFile&) = delete;
  HalfAFile& operator=(const HalfAFile&) = delete;

  std::span<std::byte> bytes(std::size_t begin, std::size_t end) {
    return {static_cast<std::byte*>(data_) + begin, end - begin};
  }

 private:
  void* data_;
};

TEST(TakePages, RefusesWhatCannotBeWritten) {
  HalfAFile file;
  ASSERT_TRUE(take_pages(file.bytes(0, page_bytes)));
  if (::madvise(file.bytes(0, 1).data(), page_bytes, MADV_POPULATE_WRITE) != 0) GTEST_SKIP() << "old kernel";
  EXPECT_FALSE(take_pages(file.bytes(page_bytes, 2 * page_bytes)));
  EXPECT_FALSE(take_pages(file.bytes(page_bytes - 1, page_bytes + 1)));
  EXPECT_TRUE(take_pages(file.bytes(page_bytes, page_bytes)));
}

TEST(TakePages, LeavesTheContentAlone) {
  HalfAFile file;
  std::memset(file.bytes(0, page_bytes).data(), 7, page_bytes);
  EXPECT_TRUE(take_pages(file.bytes(17, 900)));
  for (const std::byte byte : file.bytes(0, page_bytes)) ASSERT_EQ(byte, std::byte{7});
}

}  // namespace
}  // namespace lockstep
