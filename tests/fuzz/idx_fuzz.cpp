#include "idx_file.hpp"
#include "input_file.hpp"
#include "lockstep/core/error.hpp"

/// IDX files, plain or gzipped.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lockstep;
  const InputFile file(text_of(data, size));
  try {
    looks_like_idx(file.path());
    IdxFile idx(file.path(), 1, 3, "images");
    const std::vector<std::uint8_t> all = idx.read_all();
    if (all.size() != idx.rows() * idx.row_bytes()) std::abort();
  } catch (const UserError&) {
    // refused
  }
  return 0;
}
