#include "lockstep/core/text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "lockstep/core/error.hpp"

namespace lockstep {
namespace {

[[noreturn]] void refuse(std::string_view what, std::string_view expected, std::string_view found) {
  throw UserError(std::string(what) + ": expected " + std::string(expected) + ", found " + in_quotes(found));
}

/// Bytes of the UTF-8 character that the text begins with; 0 if it begins with none.
std::size_t character_bytes(std::string_view text) {
  constexpr std::array<std::uint32_t, 5> least_of_length{0, 0, 0x80, 0x800, 0x10000};
  const auto first = static_cast<unsigned char>(text[0]);
  const auto length = static_cast<std::size_t>(std::max(std::countl_one(first), 1));
  if (length > 4 || length > text.size() || (first & 0xc0) == 0x80) return 0;
  std::uint32_t character = length == 1 ? first : first & (0x7fU >> length);
  for (const char byte : text.substr(1, length - 1)) {
    if ((byte & 0xc0) != 0x80) return 0;
    character = character << 6 | (byte & 0x3f);
  }
  const bool surrogate = character >= 0xd800 && character <= 0xdfff;
  return character < least_of_length[length] || character > 0x10ffff || surrogate ? 0 : length;
}

/// Of ASCII, or of those that ISO 8859 adds, which UTF-8 spells with 0xc2 before them.
bool is_control(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  return byte(0) < 0x20 || byte(0) == 0x7f || (byte(0) == 0xc2 && byte(1) < 0xa0);
}

std::string escape_of(char c) {
  std::array<char, 8> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "\\x%02x",
                static_cast<unsigned>(static_cast<unsigned char>(c)));
  return buffer.data();
}

template <class T>
T parse_number(std::string_view text, std::string_view what, std::string_view expected) {
  std::string_view digits = trimmed(text);
  if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) refuse(what, std::string(expected) + " in range", text);
  if (error != std::errc{} || end != digits.data() + digits.size()) refuse(what, expected, text);
  return value;
}

template <class T>
std::string shortest(T value) {
  if (std::isnan(value)) return "nan";
  std::array<char, 64> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), end};
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> previous(b.size() + 1);
  std::iota(previous.begin(), previous.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::vector<std::size_t> current{i + 1};
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = previous[j] + (a[i] == b[j] ? 0 : 1);
      current.push_back(std::min({replaced, previous[j + 1] + 1, current[j] + 1}));
    }
    previous = std::move(current);
  }
  return previous.back();
}

}  // namespace

std::string_view trimmed(std::string_view text, std::string_view blanks) {
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = character_bytes(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string printable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const std::size_t length = character_bytes(text);
    if (length == 0 || (is_control(text) && text[0] != '\n')) {
      shown += escape_of(text[0]);
      text.remove_prefix(1);
    } else {
      shown += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return shown;
}

std::string shortened(std::string_view text, std::size_t longest) {
  if (text.size() <= longest) return std::string(text);
  std::size_t end = longest;
  const std::size_t least = longest - std::min<std::size_t>(longest, 3);
  while (end > least && (text[end] & 0xc0) == 0x80) --end;  // not within a character
  if ((text[end] & 0xc0) == 0x80) end = longest;            // no UTF-8
  return std::string(text.substr(0, end)) + "…";
}

std::string in_quotes(std::string_view text, std::size_t longest) {
  std::string shown;
  for (const char c : printable(shortened(text, longest)))
    shown += c == '\n' ? escape_of(c) : std::string(1, c);
  return "'" + shown + "'";
}

std::vector<std::string> split_list(std::string_view text, char separator) {
  std::vector<std::string> parts;
  if (trimmed(text).empty()) return parts;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')') --depth;
    if (depth < 0) break;
    if (text[i] == separator && depth == 0) {
      parts.emplace_back(trimmed(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  if (depth != 0) {
    throw UserError(in_quotes(text) + ": expected balanced parentheses, found " +
                    (depth > 0 ? "one that is not closed" : "one that was not opened"));
  }
  parts.emplace_back(trimmed(text.substr(begin)));
  return parts;
}

Call parse_call(std::string_view text) {
  const std::string_view whole = trimmed(text);
  split_list(whole);  // checks the parentheses
  const std::size_t open = whole.find('(');
  if (open == std::string_view::npos) return {std::string(whole), {}};
  if (!whole.ends_with(')')) {
    throw UserError(in_quotes(whole) + ": expected nothing after the closing parenthesis, found " +
                    in_quotes(whole.substr(whole.rfind(')') + 1)));
  }
  return {std::string(trimmed(whole.substr(0, open))),
          split_list(whole.substr(open + 1, whole.size() - open - 2))};
}

std::string canonical_name(std::string_view name) {
  std::string canonical;
  for (const char c : trimmed(name)) {
    if (c == '_' || c == '-' || c == ' ') continue;
    canonical += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return canonical;
}

double parse_double(std::string_view text, std::string_view what) {
  return parse_number<double>(text, what, "a number");
}

std::int64_t parse_int(std::string_view text, std::string_view what) {
  return parse_number<std::int64_t>(text, what, "an integer");
}

std::uint64_t parse_unsigned(std::string_view text, std::string_view what) {
  return parse_number<std::uint64_t>(text, what, "a whole number of at least 0");
}

double parse_seconds(std::string_view text, std::string_view what) {
  const double seconds = parse_double(text, what);
  if (seconds >= 0 && std::isfinite(seconds)) return seconds;
  refuse(what, "seconds, at least 0", text);
}

std::string format_exact(double value) {
  return shortest(value);
}
std::string format_exact(float value) {
  return shortest(value);
}

std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string> candidates) {
  const std::string wanted = canonical_name(name);
  std::optional<std::string> nearest;
  // Farther ones are not meant, nor are those that have no letter in common.
  std::size_t smallest = std::min(std::max<std::size_t>(2, wanted.size() / 3) + 1, wanted.size());
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(wanted, canonical_name(candidate));
    if (distance < smallest) {
      smallest = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string suggestion(std::string_view name, std::span<const std::string> candidates) {
  const std::optional<std::string> nearest = nearest_name(name, candidates);
  return nearest ? " (did you mean '" + *nearest + "'?)" : "";
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string joined;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) joined += separator;
    joined += parts[i];
  }
  return joined;
}

std::string format_decimal(double value, int decimals) {
  if (std::isnan(value)) return "nan";
  constexpr double long_from = 1e9;
  std::array<char, 64> buffer{};
  const char* const format = std::abs(value) < long_from ? "%.*f" : "%.*g";
  std::snprintf(buffer.data(), buffer.size(), format, decimals, value);
  return buffer.data();
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  constexpr std::array units{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.1f %s", value, units[unit]);
  return buffer.data();
}

}  // namespace lockstep
