#include "lockstep/io/file_kind.hpp"

#include "lockstep/io/hdf5.hpp"

namespace lockstep {

std::string file_format(const std::string& path) {
  const Hdf5Handle file = open_hdf5(path);
  return has_attribute(file.get(), "format", path) ? read_text_attribute(file.get(), "format", path) : "";
}

std::string hdf5_identity() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
#ifdef H5_HAVE_PARALLEL
  constexpr const char* kind = "parallel";
#else
  constexpr const char* kind = "serial";
#endif
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release) + ", " + kind;
}

}  // namespace lockstep
