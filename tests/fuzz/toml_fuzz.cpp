#include "input_file.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/train/config.hpp"

/// Config files: refused with a UserError, or read, and then written and read again to the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lockstep;
  TrainConfig config;
  try {
    apply_config_toml(config, text_of(data, size), "fuzz.toml");
  } catch (const UserError&) {
    return 0;
  }
  const std::string written = config_toml(config);
  TrainConfig again;
  apply_config_toml(again, written, "again.toml");
  if (config_toml(again) != written) std::abort();
  return 0;
}
