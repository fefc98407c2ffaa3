#include "lockstep/train/config_toml.hpp"

#include <algorithm>
#include <set>
#include <sstream>
#include <vector>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"

namespace lockstep {
namespace {

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

/// 2 and 2.0 are not the same to TOML.
std::string floating_text(double value) {
  const std::string text = format_exact(value);
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

std::string whole_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return in_quotes(text->get());
  if (const auto* number = node.as_floating_point()) return floating_text(number->get());
  if (const auto* boolean = node.as_boolean()) return boolean->get() ? "true" : "false";
  std::vector<std::string> parts;
  if (const auto* array = node.as_array()) {
    for (const toml::node& item : *array) parts.push_back(whole_text(item));
    return "[" + join(parts) + "]";
  }
  if (const auto* table = node.as_table()) {
    for (const auto& [key, item] : *table) parts.push_back(std::string(key.str()) + " = " + whole_text(item));
    return parts.empty() ? "{}" : "{ " + join(parts) + " }";
  }
  std::ostringstream stream;
  if (const auto* number = node.as_integer()) stream << number->get();
  if (const auto* date = node.as_date()) stream << date->get();
  if (const auto* time = node.as_time()) stream << time->get();
  if (const auto* both = node.as_date_time()) stream << both->get();
  return stream.str();
}

}  // namespace

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
  throw UserError("expected a text, number, boolean or array, found " + toml_text(node));
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

std::string toml_text(const toml::node& node) {
  return shortened(whole_text(node), 200);
}

std::string toml_place(std::string_view source_name, std::string_view key, const toml::node& node) {
  return std::string(source_name) + ", line " + std::to_string(node.source().begin.line) + ", key " +
         in_quotes(key) + ": ";
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

}  // namespace lockstep
