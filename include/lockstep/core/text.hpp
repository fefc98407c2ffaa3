#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

/// Without the blanks at both ends.
std::string_view trimmed(std::string_view text, std::string_view blanks = " \t\r\n");

/// Whether the bytes are UTF-8, as TOML and JSON ask for.
bool is_utf8(std::string_view text);

/// For a terminal: control characters and bytes that are not UTF-8 as \x1b; ends of lines stay.
std::string printable(std::string_view text);

/// With … for what is beyond so many bytes.
std::string shortened(std::string_view text, std::size_t longest);

/// "'text'" for a message: printable, in one line, and shortened.
std::string in_quotes(std::string_view text, std::size_t longest = 300);

/// The same for a path, of which no end may be missing.
inline std::string path_in_quotes(std::string_view path) {
  return in_quotes(path, path.size());
}

/// Splits at `separator` outside parentheses; trims blanks. "a(1,2), b" → {"a(1,2)", "b"}. An empty text
/// gives {}. Throws UserError on unbalanced parentheses, naming the text.
std::vector<std::string> split_list(std::string_view text, char separator = ',');

/// A name with arguments: "leaky_relu(0.2)" → {"leaky_relu", {"0.2"}}. Throws UserError on unbalanced
/// parentheses or text after the closing one.
struct Call {
  std::string name;
  std::vector<std::string> arguments;
};
Call parse_call(std::string_view text);

/// A name as tables hold it: lower case, "LeakyReLU", "leaky-relu" and "leaky_relu" alike become "leakyrelu".
std::string canonical_name(std::string_view name);

/// Whole text to number. Throws UserError "what: expected a number, found 'text'".
double parse_double(std::string_view text, std::string_view what);
std::int64_t parse_int(std::string_view text, std::string_view what);
std::uint64_t parse_unsigned(std::string_view text, std::string_view what);
/// Finite and at least 0.
double parse_seconds(std::string_view text, std::string_view what);

/// Shortest decimal text that reads back as the same number; "nan", "inf", "-inf".
std::string format_exact(double value);
std::string format_exact(float value);

/// The candidate closest to `name` (edit distance), if close enough to be meant.
std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string> candidates);

/// " (did you mean 'x'?)", or nothing where no candidate is close.
std::string suggestion(std::string_view name, std::span<const std::string> candidates);

/// "a, b, c".
std::string join(std::span<const std::string> parts, std::string_view separator = ", ");

/// "0.1234": with so many decimals, or where that would be long, "1.234e+12". "nan" whatever its sign, "inf".
std::string format_decimal(double value, int decimals);

/// "1.5 MiB".
std::string format_bytes(std::uint64_t bytes);

}  // namespace lockstep
