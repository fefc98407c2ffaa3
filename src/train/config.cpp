#include "lockstep/train/config.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <limits>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/core/version.hpp"
#include "lockstep/io/text_file.hpp"
#include "lockstep/train/config_toml.hpp"

namespace lockstep {
namespace {

using Kind = TrainOption::Kind;

std::string with_hyphens(std::string_view name) {
  std::string result(name);
  std::replace(result.begin(), result.end(), '_', '-');
  return result;
}

std::string toml_quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04X", static_cast<unsigned>(c));
      result += escaped;
    } else {
      result += c;
    }
  }
  return result + '"';
}

/// Whether the text is a number that TOML can hold. Words ("auto") are none, and counts above 2^63 − 1 do not
/// fit.
bool is_toml_number(const std::string& text) {
  if (text.empty() || text.find_first_not_of("0123456789.e+-") != std::string::npos) return false;
  const bool whole = text.find_first_not_of("0123456789") == std::string::npos;
  constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return !whole || parse_unsigned(text, "number") <= largest;
}

std::string toml_array(const std::string& text, bool of_numbers) {
  std::vector<std::string> items;
  for (const std::string& item : split_list(text)) items.push_back(of_numbers ? item : toml_quoted(item));
  return "[" + join(items) + "]";
}

std::string toml_value(const TrainOption& option, const std::string& text) {
  switch (option.kind) {
    case Kind::on_off:
      return text == "on" ? "true" : "false";
    case Kind::number:
      return is_toml_number(text) ? text : toml_quoted(text);
    case Kind::number_list:
      return std::isdigit(static_cast<unsigned char>(text[0])) ? toml_array(text, true) : toml_quoted(text);
    case Kind::text_list:
      return toml_array(text, false);
    case Kind::text:
      break;
  }
  return toml_quoted(text);
}

}  // namespace

std::string TrainOption::key() const {
  std::string result = name;
  std::replace(result.begin(), result.end(), '-', '_');
  return result;
}

const TrainOption& find_train_option(std::string_view name) {
  const std::string wanted = with_hyphens(name.starts_with("--") ? name.substr(2) : name);
  std::vector<std::string> names;
  for (const TrainOption& option : train_options()) {
    if (option.name == wanted) return option;
    names.push_back(option.name);
  }
  throw UserError("unknown option " + in_quotes(name) + suggestion(wanted, names));
}

void set_option(TrainConfig& config, std::string_view name, std::string_view text) {
  find_train_option(name).set(config, text);
}

void apply_config_toml(TrainConfig& config, std::string_view toml, std::string_view source_name) {
  apply_config_table(config, parse_toml(toml, source_name), source_name);
}

void apply_config_file(TrainConfig& config, const std::string& path) {
  apply_config_toml(config, read_text_file(path, most_config_bytes), path);
}

std::string config_toml(const TrainConfig& config) {
  std::string result = "# lockstep " + version() +
                       ": `lockstep train --config FILE --run-dir DIR` with this file repeats the run.\n";
  std::string group;
  for (const TrainOption& option : train_options()) {
    const std::string text = option.get(config);
    const bool left_out = text == option.default_text && (text == "auto" || text == "none");
    if (left_out || option.name == "resume" || option.name == "run-dir") continue;
    if (option.group != group) result += "\n# " + option.group + "\n";
    group = option.group;
    result += option.key() + " = " + toml_value(option, text) + "\n";
  }
  return result;
}

std::map<std::string, std::string> config_map(const TrainConfig& config) {
  std::map<std::string, std::string> result;
  for (const TrainOption& option : train_options()) result[option.key()] = option.get(config);
  return result;
}

std::vector<ConfigDifference> differing_keys(const std::map<std::string, std::string>& before,
                                             const TrainConfig& now) {
  const bool epochs_matter = now.schedule.starts_with("cosine") || now.schedule.starts_with("linear");
  std::vector<ConfigDifference> differences;
  for (const TrainOption& option : train_options()) {
    const bool matters =
        option.on_resume == TrainOption::OnResume::must_match || (option.name == "epochs" && epochs_matter);
    if (!matters) continue;
    const auto stored = before.find(option.key());
    const std::string text_before = stored == before.end() ? option.default_text : stored->second;
    const std::string text_now = option.get(now);
    if (text_before != text_now) differences.push_back({option.key(), text_before, text_now});
  }
  return differences;
}

std::string describe(std::span<const ConfigDifference> differences) {
  std::vector<std::string> parts;
  for (const ConfigDifference& difference : differences) {
    parts.push_back(difference.key + ": " + difference.before + " before, " + difference.now + " now");
  }
  return join(parts, "; ");
}

bool higher_is_better(std::string_view monitor) {
  return monitor.ends_with("accuracy");
}

}  // namespace lockstep
