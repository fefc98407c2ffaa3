#include "csv_reader.hpp"
#include "input_file.hpp"
#include "lockstep/core/error.hpp"

/// CSV files, plain or gzipped.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lockstep;
  const InputFile file(text_of(data, size));
  try {
    CsvReader reader(file.path(), ',');
    for (std::vector<std::string> fields; reader.next(fields);) {
      if (fields.size() != reader.header().size()) std::abort();
      for (std::size_t i = 0; i < fields.size(); ++i) {
        double number = 0;
        if (parse_number(fields[i], number)) reader.place(i);
      }
    }
  } catch (const UserError&) {
    // refused
  }
  return 0;
}
