#include "lockstep/train/config.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <limits>
#include <set>

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

/// Behind the end of the string that begins at `begin`, or where its line or the text ends without one.
std::size_t end_of_string(std::string_view text, std::size_t begin) {
  const char quote = text[begin];
  const std::string three(3, quote);
  const bool many_lines = text.substr(begin).starts_with(three);
  const std::string_view end = std::string_view(three).substr(0, many_lines ? 3 : 1);
  std::size_t i = begin + end.size();
  while (i < text.size() && !text.substr(i).starts_with(end)) {
    if (!many_lines && text[i] == '\n') return i;
    i += quote == '"' && text[i] == '\\' ? 2 : 1;
  }
  i = std::min(i + end.size(), text.size());
  // Of five quotes the first two belong to the string.
  for (int more = 0; many_lines && more < 2 && i < text.size() && text[i] == quote; ++more) ++i;
  return i;
}

/// toml++ frees tables within tables by recursion, for which some 100,000 parts of a key leave no stack.
void refuse_deep_keys(std::string_view text, std::string_view source_name) {
  constexpr std::size_t most_parts = 16;
  std::size_t parts = 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (std::string_view("=,{[#\n").find(c) != std::string_view::npos) parts = 1;
    if (c == '.' && ++parts > most_parts) {
      const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(i), '\n');
      throw UserError(std::string(source_name) + ", line " + std::to_string(line) +
                      ": expected keys of at most " + std::to_string(most_parts) +
                      " parts (a.b has two), found more");
    }
    if (c == '"' || c == '\'') i = end_of_string(text, i) - 1;
    if (c == '#') i = std::min(text.find('\n', i), text.size());
  }
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
  throw UserError("unknown option '" + std::string(name) + "'" + suggestion(wanted, names));
}

void set_option(TrainConfig& config, std::string_view name, std::string_view text) {
  find_train_option(name).set(config, text);
}

std::string option_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* number = node.as_floating_point()) return format_exact(number->get());
  if (const auto* boolean = node.as_boolean()) return boolean->get() ? "on" : "off";
  if (const auto* array = node.as_array()) {
    std::vector<std::string> items;
    for (const toml::node& item : *array) items.push_back(option_text(item));
    return join(items, ",");
  }
  throw UserError("expected a text, number, boolean or array");
}

toml::table parse_toml(std::string_view text, std::string_view source_name) {
  refuse_deep_keys(text, source_name);
  try {
    return toml::parse(text, source_name);
  } catch (const toml::parse_error& error) {
    throw UserError(std::string(source_name) + ", line " + std::to_string(error.source().begin.line) +
                    ": expected TOML: " + std::string(error.description()));
  }
}

std::string toml_place(std::string_view source_name, std::string_view key, const toml::node& node) {
  return std::string(source_name) + ", line " + std::to_string(node.source().begin.line) + ", key '" +
         std::string(key) + "': ";
}

void apply_config_table(TrainConfig& config, const toml::table& table, std::string_view source_name) {
  std::set<std::string> seen;
  for (const auto& [key, node] : table) {
    try {
      const TrainOption& option = find_train_option(key.str());
      if (!seen.insert(option.name).second) throw UserError("'" + option.name + "' is given twice");
      option.set(config, option_text(node));
    } catch (const UserError& error) {
      throw UserError(toml_place(source_name, key.str(), node) + error.what());
    }
  }
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
