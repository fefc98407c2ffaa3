#include "input_file.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/train/config.hpp"

/// Values of flags, the formulas and lists among them: the first byte chooses the flag.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lockstep;
  if (size == 0) return 0;
  const auto options = train_options();
  const TrainOption& option = options[data[0] % options.size()];
  TrainConfig config;
  try {
    option.set(config, text_of(data + 1, size - 1));
  } catch (const UserError&) {
    return 0;
  }
  const std::string text = option.get(config);
  TrainConfig again;
  option.set(again, text);
  if (option.get(again) != text) std::abort();
  return 0;
}
