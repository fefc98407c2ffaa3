#include "lockstep/sweep/grid.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "lockstep/core/elementary.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/random.hpp"
#include "lockstep/core/sha256.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/sweep/option_keys.hpp"

namespace lockstep {
namespace {

constexpr std::size_t most_points = 1000000;

/// A stream of random numbers of the axis's own: other axes may come and go.
Philox stream_of(const RandomAxis& axis, std::uint64_t seed) {
  Sha256 digest;
  digest.update(axis.key);
  const std::string hex = digest.hex_digest();
  const auto word = [&](std::size_t begin) {
    return static_cast<std::uint32_t>(std::stoul(hex.substr(begin, 8), nullptr, 16));
  };
  return {seed, RandomPurpose::sweep, word(0), word(8)};
}

/// Six digits are as much as anybody wants to read or type again.
std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return format_exact(parse_double(text, "a random number"));
}

/// Between low and high, evenly on a logarithmic scale. u: in [0, 1).
double logarithmic(double low, double high, double u) {
  const double start = elementary::log(low);
  return std::clamp(elementary::exp(start + u * (elementary::log(high) - start)), low, high);
}

bool holds(const SweepCondition& condition, const TrainConfig& config) {
  const std::string text = find_train_option(condition.key).get(config);
  if (!condition.above && !condition.below) {
    return std::find(condition.values.begin(), condition.values.end(), text) != condition.values.end();
  }
  try {
    const double number = parse_double(text, condition.key);
    return !(condition.above && number <= *condition.above) &&
           !(condition.below && number >= *condition.below);
  } catch (const UserError&) {
    return false;  // "auto" is no number
  }
}

bool is_excluded(const SweepSpec& spec, const TrainConfig& config) {
  return std::any_of(spec.exclusions.begin(), spec.exclusions.end(), [&](const SweepExclusion& exclusion) {
    return std::all_of(exclusion.begin(), exclusion.end(),
                       [&](const SweepCondition& condition) { return holds(condition, config); });
  });
}

std::size_t count_points(const SweepSpec& spec) {
  std::size_t count = spec.random_axes.empty() ? 1 : spec.random_trials;
  for (const SweepAxis& axis : spec.axes) {
    if (count > most_points) break;
    count *= axis.points.size();
  }
  if (count <= most_points) return count;
  throw UserError(spec.source + ": expected at most " + std::to_string(most_points) + " trials, found more");
}

/// The settings of the `index`-th combination: the random draws change fastest, then the last axis.
std::vector<std::pair<std::string, std::string>> settings_of(const SweepSpec& spec, std::size_t index) {
  const std::size_t draws = spec.random_axes.empty() ? 1 : spec.random_trials;
  const std::size_t draw = index % draws;
  index /= draws;
  std::vector<std::size_t> chosen(spec.axes.size());
  for (std::size_t a = spec.axes.size(); a-- > 0; index /= spec.axes[a].points.size()) {
    chosen[a] = index % spec.axes[a].points.size();
  }
  std::vector<std::pair<std::string, std::string>> settings;
  for (std::size_t a = 0; a < spec.axes.size(); ++a) {
    const SweepAxis& axis = spec.axes[a];
    for (std::size_t k = 0; k < axis.keys.size(); ++k)
      settings.emplace_back(axis.keys[k], axis.points[chosen[a]][k]);
  }
  for (const RandomAxis& axis : spec.random_axes) {
    settings.emplace_back(axis.key, random_value(axis, spec.random_seed, draw));
  }
  return settings;
}

}  // namespace

std::string random_value(const RandomAxis& axis, std::uint64_t seed, std::uint64_t draw) {
  using Law = RandomAxis::Law;
  const Philox random = stream_of(axis, seed);
  switch (axis.law) {
    case Law::uniform:
      return short_number(axis.low + random.uniform(draw) * (axis.high - axis.low));
    case Law::log_uniform:
      return short_number(logarithmic(axis.low, axis.high, random.uniform(draw)));
    case Law::integers: {
      const auto count = static_cast<std::uint64_t>(axis.high - axis.low) + 1;
      return std::to_string(static_cast<std::int64_t>(axis.low) +
                            static_cast<std::int64_t>(random.below(draw, count)));
    }
    case Law::log_integers: {
      const double real = logarithmic(axis.low, axis.high + 1, random.uniform(draw));
      return std::to_string(static_cast<std::int64_t>(std::min(std::floor(real), axis.high)));
    }
    case Law::choice:
      break;
  }
  return axis.choices[random.below(draw, axis.choices.size())];
}

TrainConfig config_at(const SweepSpec& spec, const TrialPoint& point) {
  TrainConfig config = spec.base;
  std::map<std::string, std::map<std::size_t, std::string>> by_position;
  for (const auto& [key, text] : point.settings) {
    const std::size_t position = option_position(key);
    if (position == 0) {
      set_option(config, key, text);
    } else {
      by_position[option_name(key)][position] = text;
    }
  }
  for (const auto& [name, entries] : by_position) {
    std::vector<std::string> texts;
    for (const auto& [position, text] : entries) texts.push_back(text);
    set_option(config, name, join(texts, ","));
  }
  return config;
}

std::vector<TrialPoint> expand(const SweepSpec& spec) {
  std::vector<TrialPoint> points;
  const std::size_t count = count_points(spec);
  for (std::size_t index = 0; index < count; ++index) {
    TrialPoint point{points.size() + 1, settings_of(spec, index)};
    if (!is_excluded(spec, config_at(spec, point))) points.push_back(std::move(point));
  }
  if (points.empty())
    throw UserError(spec.source + ": expected trials, found that [[exclude]] leaves none of " +
                    std::to_string(count));
  return points;
}

}  // namespace lockstep
