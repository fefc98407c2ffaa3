#include "hdf5_trial.hpp"

#include <algorithm>
#include <iterator>
#include <random>

#include "io_fixture.hpp"
#include "lockstep/io/dataset.hpp"

namespace lockstep {
namespace {

/// One or two places with another byte, another bit or a number that means trouble.
std::string damaged(std::string bytes, std::mt19937_64& random) {
  const std::uint64_t odd[] = {0, 1, 3, 1000, 1ULL << 31, 1ULL << 32, 1ULL << 62, ~0ULL};
  for (std::uint64_t place = random() % 2; place < 2; ++place) {
    const std::size_t at = random() % (bytes.size() - 8);
    const std::uint64_t number = odd[random() % std::size(odd)];
    switch (random() % 3) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
        break;
      default:
        std::copy_n(reinterpret_cast<const char*>(&number), sizeof number, &bytes[at]);
    }
  }
  return bytes;
}

/// libhdf5 1.10.8 itself crashes on some of these files, which would end this test.
TEST(Hdf5Trial, DamagedFilesAreReadOrRefused) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(run_python("make_datasets.py", directory.path()));
  const std::string path = directory / "damaged.h5";
  std::mt19937_64 random(4);
  int refused = 0;
  for (const char* name : {"good_plain.h5", "good_gzip.h5"}) {
    const std::string good = read_text(directory / name);
    for (int i = 0; i < 100; ++i) {
      write_text(path, damaged(good, random));
      try {
        verify_dataset_digests(read_dataset_info(path));
      } catch (const FileError&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 20);
}

TEST(Hdf5Trial, GoodFilesPass) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(run_python("make_datasets.py", directory.path()));
  for (const char* name : {"good_plain.h5", "good_gzip.h5", "good_regression.h5"}) {
    EXPECT_NO_THROW(try_hdf5(directory / name)) << name;
  }
}

}  // namespace
}  // namespace lockstep
