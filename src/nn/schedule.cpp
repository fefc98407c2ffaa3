#include "lockstep/nn/schedule.hpp"

#include <algorithm>
#include <numbers>

#include "lockstep/core/elementary.hpp"
#include "setting.hpp"

namespace lockstep {
namespace {

// In the order of Schedule::Kind.
const std::vector<SettingForm>& forms() {
  static const std::vector<SettingForm> table = {
      {"constant", {"none"}, {}, "1"},
      {"step",
       {"step_lr"},
       {{"every_epochs", {1, 1e9}, 10, true}, {"factor", positive_number, 0.1}},
       "factor^⌊epoch / every_epochs⌋"},
      {"exponential",
       {"exponential_decay", "exponential_lr"},
       {{"rate", positive_number, 0.95}},
       "rate^epoch, epoch as a real number"},
      {"cosine",
       {"cosine_decay", "cosine_annealing_lr"},
       {{"final", non_negative_number, 0}},
       "final + (1 − final)(1 + cos(π t)) / 2"},
      {"linear", {"linear_lr"}, {{"final", non_negative_number, 0}}, "1 + (final − 1) t"},
  };
  return table;
}

double ratio(std::uint64_t part, std::uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::string schedule_forms() {
  return forms_text(forms());
}

std::vector<SettingInfo> schedule_table() {
  return forms_table(forms());
}

Schedule::Schedule(std::string_view text, std::uint64_t warmup_steps, std::uint64_t total_steps,
                   std::uint64_t steps_per_epoch)
    : warmup_steps_(warmup_steps), total_steps_(total_steps), steps_per_epoch_(steps_per_epoch) {
  const Setting setting = parse_setting("schedule", text, forms());
  kind_ = static_cast<Kind>(setting.form);
  if (!setting.values.empty()) first_ = setting.values[0];
  if (setting.values.size() > 1) second_ = setting.values[1];
  text_ = setting.text;
}

double Schedule::factor(std::uint64_t step) const {
  const double value = factor_without_warmup(step);
  return step < warmup_steps_ ? value * ratio(step + 1, warmup_steps_) : value;
}

double Schedule::factor_without_warmup(std::uint64_t step) const {
  const double t = ratio(std::min(step, total_steps_), total_steps_);
  switch (kind_) {
    case Kind::constant:
      return 1;
    case Kind::step:
      return elementary::power(second_, step / steps_per_epoch_ / static_cast<std::uint64_t>(first_));
    case Kind::exponential:
      return elementary::pow(first_, ratio(step, steps_per_epoch_));
    case Kind::cosine:
      return first_ + (1 - first_) * (1 + elementary::cos(std::numbers::pi * t)) / 2;
    case Kind::linear:
      return 1 + (first_ - 1) * t;
  }
  return 1;
}

}  // namespace lockstep
