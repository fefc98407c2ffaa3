#include <array>
#include <string>

#include "input_file.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/sweep/grid.hpp"
#include "lockstep/sweep/sweep_spec.hpp"

/// Sweep files behind their TOML: sections, axes, rules. The first bytes of the alphabet stand for words, so
/// that files whose keys and values are known come up often.
namespace {

constexpr std::array words{"[base]\n",
                           "[grid]\n",
                           "[[zip]]\n",
                           "[random]\n",
                           "[[exclude]]\n",
                           "[sweep]\n",
                           "trials = 3\n",
                           "hidden = ",
                           "activation = ",
                           "activation.1 = ",
                           "dropout = ",
                           "learning_rate = ",
                           "l2 = ",
                           "seed = ",
                           "batch_size = ",
                           "uniform = ",
                           "log_uniform = ",
                           "integers = ",
                           "log_integers = ",
                           "choice = ",
                           "above = ",
                           "below = ",
                           "ranks_per_trial = ",
                           "from_parameters = ",
                           "ranks = ",
                           "metric = ",
                           "over = ",
                           "best = ",
                           "halving = ",
                           "first_epochs = 1",
                           "factor = 3",
                           "\"8x2\"",
                           "\"8,4\"",
                           "\"relu\"",
                           "\"leaky_relu(0.01)\"",
                           "\"val_loss\"",
                           "{ ",
                           " }",
                           "[",
                           "]",
                           ", ",
                           "\n",
                           "1",
                           "2",
                           "0.5",
                           "1e-3",
                           "-1",
                           "1e300",
                           "9223372036854775807",
                           "nan"};

std::string sweep_text(const std::uint8_t* data, std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    // Above the words, bytes are themselves.
    const std::size_t word = data[i] - std::size_t{128};
    if (data[i] >= 128 && word < words.size()) {
      text += words[word];
    } else {
      text += static_cast<char>(data[i]);
    }
  }
  return text;
}

/// Whether the sweep has so few trials that all of them may be looked at.
bool is_small(const lockstep::SweepSpec& spec) {
  std::uint64_t trials = spec.random_trials;
  for (const lockstep::SweepAxis& axis : spec.axes) {
    if (trials > 1000) return false;
    trials *= axis.points.size();
  }
  return trials <= 1000;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lockstep;
  try {
    const SweepSpec spec = parse_sweep(sweep_text(data, size), "fuzz.toml");
    if (!is_small(spec)) return 0;
    for (const TrialPoint& point : expand(spec)) {
      if (point.settings.size() != spec.keys().size()) std::abort();
      config_at(spec, point);
    }
  } catch (const UserError&) {
    // refused
  }
  return 0;
}
