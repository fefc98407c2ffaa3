#include "csv_reader.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/io/available_memory.hpp"

namespace lockstep {
namespace {

constexpr std::size_t csv_buffer_bytes = std::size_t{1} << 20;
constexpr std::size_t longest_field = std::size_t{1} << 20;
constexpr std::size_t most_columns = 1'000'000;
// What one byte of text may take as a field: of "1," the string, and that in a table.
constexpr std::size_t memory_bytes_per_byte = 32;
constexpr int end_of_file = -1;
constexpr std::string_view blanks = " \t";  // within a line

}  // namespace

bool parse_number(std::string_view text, double& number) {
  text = trimmed(text, blanks);
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  // Too small or too large for a double: strtod says 0 or infinity.
  if (error == std::errc::result_out_of_range) number = std::strtod(std::string(text).c_str(), nullptr);
  return error != std::errc::invalid_argument && end == text.data() + text.size() && !text.empty();
}

namespace {

/// A first line of numbers is a row, and not to be lost. Whole numbers in ascending order are what programs
/// name columns by that have no names, or years; of one column, 0.
void refuse_numbers_as_names(const std::string& path, const std::vector<std::string>& names) {
  bool ascend = names.size() > 1 || names.front() == "0";
  double last = -1;
  for (const std::string& name : names) {
    double number = 0;
    if (!parse_number(name, number)) return;
    ascend &= number > last && number == std::floor(number);
    last = number;
  }
  if (ascend) return;
  throw FileError(path +
                  ": line 1: expected a header line with the columns' names, found only numbers, first " +
                  in_quotes(names.front()));
}

/// Some of many.
std::string columns_text(const std::vector<std::string>& names) {
  constexpr std::size_t most = 12;
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i) shown.push_back(in_quotes(names[i]));
  const std::string rest =
      names.size() > most ? " … and " + std::to_string(names.size() - most) + " more" : "";
  return join(shown) + rest;
}

}  // namespace

CsvReader::CsvReader(const std::string& path, char separator)
    : source_(path),
      separator_(separator),
      buffer_(std::min<std::uint64_t>(csv_buffer_bytes, source_.most_bytes() + 1)) {
  const std::size_t columns = read_record(header_, most_columns);
  if (columns == 0) throw FileError(path + ": expected a header line with the columns' names, found nothing");
  if (columns > most_columns) {
    throw FileError(path + ": line 1: expected at most " + std::to_string(most_columns) + " columns, found " +
                    std::to_string(columns));
  }
  if (header_.front().starts_with("\xef\xbb\xbf")) header_.front().erase(0, 3);
  for (std::string& name : header_) name = std::string(trimmed(name, blanks));
  for (std::size_t i = 0; i < header_.size(); ++i) {
    if (header_[i].empty()) {
      throw FileError(path + ": line 1: expected a name for column " + std::to_string(i + 1) +
                      ", found nothing");
    }
  }
  refuse_numbers_as_names(path, header_);
  std::vector<std::string> sorted = header_;
  std::sort(sorted.begin(), sorted.end());
  const auto repeated = std::adjacent_find(sorted.begin(), sorted.end());
  if (repeated != sorted.end()) {
    throw FileError(path + ": line 1: expected a header line with different names, found " +
                    in_quotes(*repeated) + " twice");
  }
}

std::size_t CsvReader::column(const std::string& name) const {
  const auto found = std::find(header_.begin(), header_.end(), name);
  if (found == header_.end()) {
    const bool is_alone = header_.size() == 1;
    throw UserError(path() + ": expected a column " + in_quotes(name) + ", found " + columns_text(header_) +
                    (is_alone ? " only" : "") + suggestion(name, header_) +
                    (is_alone ? "; see --separator" : ""));
  }
  return static_cast<std::size_t>(found - header_.begin());
}

bool CsvReader::next(std::vector<std::string>& fields) {
  const std::size_t found = read_record(fields, header_.size());
  if (found == 0) return false;
  if (found != header_.size()) {
    throw FileError(path() + ": line " + std::to_string(row_line_) + ": expected " +
                    std::to_string(header_.size()) + " fields as in the header, found " +
                    std::to_string(found));
  }
  return true;
}

std::string CsvReader::place(std::size_t column_index) const {
  return path() + ": line " + std::to_string(row_line_) + ", column " + in_quotes(header_[column_index]);
}

double CsvReader::number(const std::vector<std::string>& fields, std::size_t column_index) const {
  double number = 0;
  if (!parse_number(fields[column_index], number) || !std::isfinite(number)) {
    throw FileError(place(column_index) + ": expected a finite number, found " +
                    in_quotes(fields[column_index]));
  }
  return number;
}

int CsvReader::get() {
  if (position_ == filled_) {
    position_ = 0;
    check_memory_available(memory_bytes_per_byte * buffer_.size(), path());  // few bytes of gzip may be many
    filled_ = source_.read(std::as_writable_bytes(std::span(buffer_)));
    if (filled_ == 0) return end_of_file;
  }
  const int character = static_cast<unsigned char>(buffer_[position_++]);
  if (character == '\n') ++line_;
  if (character == '\0')
    throw FileError(path() + ": line " + std::to_string(line_) + ": expected text, found a zero byte");
  return character;
}

std::size_t CsvReader::read_record(std::vector<std::string>& fields, std::size_t most) {
  while (true) {
    fields.clear();
    row_line_ = line_;
    std::size_t found = 0;
    int end = separator_;
    while (end == static_cast<unsigned char>(separator_)) {
      if (++found <= most + 1) fields.emplace_back();
      fields.back().clear();
      end = read_field(fields.back());
    }
    const bool blank = found == 1 && trimmed(fields.front(), blanks).empty();
    if (!blank) return found;
    if (end == end_of_file) return 0;
  }
}

int CsvReader::read_field(std::string& field) {
  int character = get();
  if (character == '"') character = read_quoted(field);
  while (character != end_of_file && character != '\n' &&
         character != static_cast<unsigned char>(separator_)) {
    field += static_cast<char>(character);
    if (field.size() > longest_field) {
      throw FileError(path() + ": line " + std::to_string(row_line_) + ": a field is longer than " +
                      format_bytes(longest_field));
    }
    character = get();
  }
  if (character != static_cast<unsigned char>(separator_) && field.ends_with('\r')) field.pop_back();
  return character;
}

/// Reads to behind the closing quote; returns the character there.
int CsvReader::read_quoted(std::string& field) {
  while (true) {
    const int character = get();
    if (character == end_of_file || field.size() > longest_field) {
      throw FileError(path() + ": line " + std::to_string(row_line_) + ": a quote is not closed");
    }
    if (character != '"') {
      field += static_cast<char>(character);
      continue;
    }
    const int next_character = get();
    if (next_character != '"') return next_character;
    field += '"';
  }
}

}  // namespace lockstep
