#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/train/config.hpp"

/// How the rows of the table of training options are made, one builder per type of field.
namespace lockstep {

[[noreturn]] inline void refuse(const std::string& flag, const std::string& expected,
                                std::string_view found) {
  throw UserError(flag + ": expected " + expected + ", found " + in_quotes(found));
}

/// What numbers an option takes.
struct NumberRule {
  bool (*allows)(double);
  const char* expected;
};
inline constexpr NumberRule positive{[](double x) { return std::isfinite(x) && x > 0; },
                                     "a finite number above 0"};
inline constexpr NumberRule not_negative{[](double x) { return std::isfinite(x) && x >= 0; },
                                         "a finite number that is not negative"};
inline constexpr NumberRule below_one{[](double x) { return x >= 0 && x < 1; }, "a number in [0, 1)"};

inline double parse_allowed(const std::string& flag, std::string_view text, const NumberRule& rule) {
  const double number = parse_double(text, flag);
  if (!rule.allows(number)) refuse(flag, rule.expected, text);
  return number;
}

inline std::uint64_t parse_count(const std::string& flag, std::string_view text, std::uint64_t least) {
  const std::uint64_t count = parse_unsigned(text, flag);
  if (count < least) refuse(flag, "a whole number of at least " + std::to_string(least), text);
  return count;
}

/// Lets the errors of lower floors name the flag.
template <class F>
auto naming(const std::string& flag, F&& parse) {
  try {
    return parse();
  } catch (const UserError& error) {
    throw UserError(flag + ": " + error.what());
  }
}

// Builders of rows, one per type of field. `flag` is what errors name.

inline TrainOption row(std::string name, std::string value_name, std::string help, TrainOption::Kind kind) {
  TrainOption option;
  option.name = std::move(name);
  option.value_name = std::move(value_name);
  option.help = std::move(help);
  option.kind = kind;
  return option;
}

/// A text in which `unset` stands for the empty one.
inline TrainOption text_option(std::string name, std::string value_name, std::string help,
                               std::string TrainConfig::*field, std::string unset = "") {
  TrainOption option = row(std::move(name), std::move(value_name), std::move(help), TrainOption::Kind::text);
  option.set = [=, flag = option.flag()](TrainConfig& config, std::string_view text) {
    if (text.empty()) refuse(flag, "a text", text);
    if (!is_utf8(text)) refuse(flag, "a text in UTF-8", text);  // config.toml could not hold it
    config.*field = text == unset ? "" : std::string(text);
  };
  option.get = [=](const TrainConfig& config) { return (config.*field).empty() ? unset : config.*field; };
  return option;
}

/// A text that `canonical` turns into the one to keep, throwing UserError if it means nothing.
inline TrainOption checked_text_option(std::string name, std::string value_name, std::string help,
                                       std::string TrainConfig::*field,
                                       std::string (*canonical)(std::string_view)) {
  TrainOption option = row(std::move(name), std::move(value_name), std::move(help), TrainOption::Kind::text);
  option.set = [=, flag = option.flag()](TrainConfig& config, std::string_view text) {
    config.*field = naming(flag, [&] { return canonical(text); });
  };
  option.get = [=](const TrainConfig& config) { return config.*field; };
  return option;
}

inline TrainOption number_option(std::string name, std::string help, double TrainConfig::*field,
                                 const NumberRule& rule) {
  TrainOption option = row(std::move(name), "X", std::move(help), TrainOption::Kind::number);
  option.set = [=, flag = option.flag()](TrainConfig& config, std::string_view text) {
    config.*field = text == "off" ? 0 : parse_allowed(flag, text, rule);
  };
  option.get = [=](const TrainConfig& config) {
    return config.*field == 0 ? std::string("off") : format_exact(config.*field);
  };
  return option;
}

inline TrainOption optional_number_option(std::string name, std::string help,
                                          std::optional<double> TrainConfig::*field, const NumberRule& rule,
                                          std::string unset = "auto") {
  TrainOption option = row(std::move(name), "X", std::move(help), TrainOption::Kind::number);
  option.set = [=, flag = option.flag()](TrainConfig& config, std::string_view text) {
    if (text == unset) {
      config.*field = std::nullopt;
    } else {
      config.*field = parse_allowed(flag, text, rule);
    }
  };
  option.get = [=](const TrainConfig& config) {
    return config.*field ? format_exact(*(config.*field)) : unset;
  };
  return option;
}

/// A count; `zero`, if given, is the word for 0.
inline TrainOption count_option(std::string name, std::string help, std::uint64_t TrainConfig::*field,
                                std::uint64_t least, std::string zero = "0") {
  TrainOption option = row(std::move(name), "N", std::move(help), TrainOption::Kind::number);
  option.set = [=, flag = option.flag()](TrainConfig& config, std::string_view text) {
    config.*field = text == zero ? parse_count(flag, "0", least) : parse_count(flag, text, least);
  };
  option.get = [=](const TrainConfig& config) {
    return config.*field == 0 ? zero : std::to_string(config.*field);
  };
  return option;
}

inline TrainOption optional_count_option(std::string name, std::string help,
                                         std::optional<std::uint64_t> TrainConfig::*field,
                                         std::string unset) {
  TrainOption option = row(std::move(name), "N", std::move(help), TrainOption::Kind::number);
  option.set = [=, flag = option.flag()](TrainConfig& config, std::string_view text) {
    if (text == unset) {
      config.*field = std::nullopt;
    } else {
      config.*field = parse_count(flag, text, 1);
    }
  };
  option.get = [=](const TrainConfig& config) {
    return config.*field ? std::to_string(*(config.*field)) : unset;
  };
  return option;
}

/// One of several values that have names; the first name of a value is the canonical one.
template <class E>
TrainOption choice_option(std::string name, std::string help, E TrainConfig::*field,
                          std::vector<std::pair<std::string, E>> choices,
                          TrainOption::Kind kind = TrainOption::Kind::text) {
  std::vector<std::string> names;
  for (const auto& choice : choices) names.push_back(choice.first);
  const std::string expected = kind == TrainOption::Kind::on_off ? "on or off" : join(names, " or ");
  TrainOption option = row(std::move(name), join(names, "|"), std::move(help), kind);
  option.set = [=, flag = option.flag()](TrainConfig& config, std::string_view text) {
    const auto found =
        std::find_if(choices.begin(), choices.end(), [&](const auto& c) { return c.first == text; });
    if (found == choices.end()) {
      throw UserError(flag + ": expected " + expected + ", found " + in_quotes(text) +
                      suggestion(text, names));
    }
    config.*field = found->second;
  };
  option.get = [=](const TrainConfig& config) {
    return std::find_if(choices.begin(), choices.end(),
                        [&](const auto& c) { return c.second == config.*field; })
        ->first;
  };
  return option;
}

inline TrainOption on_off_option(std::string name, std::string help, bool TrainConfig::*field) {
  TrainOption option = choice_option<bool>(
      std::move(name), std::move(help), field,
      {{"on", true}, {"off", false}, {"true", true}, {"false", false}, {"yes", true}, {"no", false}},
      TrainOption::Kind::on_off);
  option.value_name = "on|off";
  return option;
}

/// A list of things that are made from a text and have a text(); `unset` is the word for the empty list.
template <class Item>
TrainOption item_list_option(std::string name, std::string help, std::vector<Item> TrainConfig::*field,
                             std::string unset) {
  TrainOption option = row(std::move(name), "LIST", std::move(help), TrainOption::Kind::text_list);
  option.set = [=, flag = option.flag()](TrainConfig& config, std::string_view text) {
    std::vector<Item> items;
    if (text != unset) {
      naming(flag, [&] {
        for (const std::string& part : split_list(text)) items.emplace_back(part);
      });
      if (items.empty()) refuse(flag, "a list separated by commas", text);
    }
    config.*field = std::move(items);
  };
  option.get = [=](const TrainConfig& config) {
    std::vector<std::string> texts;
    for (const Item& item : config.*field) texts.push_back(item.text());
    return texts.empty() ? unset : join(texts, ",");
  };
  return option;
}

}  // namespace lockstep
