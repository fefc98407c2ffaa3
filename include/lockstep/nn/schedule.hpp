#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/nn/setting_info.hpp"

namespace lockstep {

/// How the learning rate changes over steps, as a factor of --learning-rate:
///
///                                 factor                                    defaults
///   constant                      1
///   step(every_epochs, factor)    factor^⌊epoch / every_epochs⌋             10, 0.1
///   exponential(rate)             rate^epoch, epoch as a real number        0.95
///   cosine(final)                 final + (1 − final)(1 + cos(π t)) / 2     0
///   linear(final)                 1 + (final − 1) t                         0
///
/// t = step / total_steps, as Keras's CosineDecay counts; cosine is Loshchilov & Hutter 2017 without
/// restarts. Warm-up: during the first `warmup_steps` steps the rate rises linearly,
/// (step + 1) / warmup_steps of its value.
class Schedule {
 public:
  /// Throws UserError for unknown names and bad arguments. total_steps > 0, steps_per_epoch > 0.
  Schedule(std::string_view text, std::uint64_t warmup_steps, std::uint64_t total_steps,
           std::uint64_t steps_per_epoch);

  /// The factor for 0-based `step`.
  double factor(std::uint64_t step) const;
  /// Canonical text.
  const std::string& text() const { return text_; }

 private:
  double factor_without_warmup(std::uint64_t step) const;

  enum class Kind { constant, step, exponential, cosine, linear };
  Kind kind_ = Kind::constant;
  double first_ = 0, second_ = 0;
  std::uint64_t warmup_steps_, total_steps_, steps_per_epoch_;
  std::string text_;
};

/// All there are: "constant, step(every_epochs,factor), …".
std::string schedule_forms();
std::vector<SettingInfo> schedule_table();

}  // namespace lockstep
