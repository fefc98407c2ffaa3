#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "byte_source.hpp"

namespace lockstep {

/// Rows of a CSV file (RFC 4180: quotes, doubled quotes, line ends in quotes; LF or CRLF; a byte-order mark
/// is skipped, blank lines too), plain or .gz. Throws FileError naming the line.
class CsvReader {
 public:
  /// Reads the header, the first line. Throws FileError if it is missing, has an empty or a
  /// repeated name, or is a row of numbers.
  CsvReader(const std::string& path, char separator);

  const std::vector<std::string>& header() const { return header_; }
  const std::string& path() const { return source_.path(); }
  /// Index of a column. Throws UserError naming the nearest one.
  std::size_t column(const std::string& name) const;

  /// The next row's fields, as many as the header's; false at the end.
  bool next(std::vector<std::string>& fields);
  /// Of the row read last, counted from 1.
  std::size_t line() const { return row_line_; }
  /// "file: line 7, column 'age'".
  std::string place(std::size_t column_index) const;

  /// A field of the row read last as a finite number.
  double number(const std::vector<std::string>& fields, std::size_t column_index) const;

 private:
  int get();
  /// Returns the number of fields, 0 at the end; those behind the first `most` + 1 are only counted.
  std::size_t read_record(std::vector<std::string>& fields, std::size_t most);
  /// Appends a field; returns the character that ended it (separator, line end or end of file).
  int read_field(std::string& field);
  int read_quoted(std::string& field);

  ByteSource source_;
  char separator_;
  std::vector<char> buffer_;
  std::size_t position_ = 0, filled_ = 0;
  std::size_t line_ = 1, row_line_ = 0;
  std::vector<std::string> header_;
};

/// The whole text, blanks around it aside, as a number (finite or not); false if it is none.
bool parse_number(std::string_view text, double& number);

}  // namespace lockstep
