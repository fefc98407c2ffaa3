#include "lockstep/io/prediction_file.hpp"

#include <signal.h>
#include <sys/resource.h>

#include "io_fixture.hpp"

namespace lockstep {
namespace {

/// Writing behind the first `bytes` of any file fails while the object lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::size_t bytes) : before_handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, before_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  void (*before_handler_)(int);
  rlimit before_{};
};

TEST(PredictionFile, IsWholeOrRefused) {
  const TemporaryDirectory directory;
  ModelDescription model;
  model.widths = {4, 3};
  model.class_names = {"a", "b", "c"};
  const std::vector<float> predictions(30, 0.25F);
  const std::vector<std::int32_t> classes(10, 1);
  const auto write = [&](const std::string& path) {
    write_predictions<float>(path, model, predictions, classes, {});
  };
  write(directory / "whole.h5");
  const std::string whole = read_text(directory / "whole.h5");
  std::size_t refused = 0;
  for (std::size_t bytes = 0; bytes < whole.size() + 100; bytes += 100) {
    const std::string path = directory / "p.h5";
    try {
      const FileSizeLimit limit(bytes);
      write(path);
      EXPECT_EQ(read_text(path), whole) << bytes;
      std::filesystem::remove(path);
    } catch (const FileError&) {
      ++refused;
    }
    EXPECT_EQ(files_in(directory.path()), 1u);
  }
  EXPECT_EQ(refused, (whole.size() + 99) / 100);
}

}  // namespace
}  // namespace lockstep
