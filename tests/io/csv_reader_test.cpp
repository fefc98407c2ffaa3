#include "csv_reader.hpp"

#include "io_fixture.hpp"
#include "lockstep/io/available_memory.hpp"

namespace lockstep {
namespace {

using Fields = std::vector<std::string>;

std::vector<Fields> rows_of(const std::string& text, char separator = ',') {
  const TemporaryDirectory directory;
  write_text(directory / "a.csv", text);
  CsvReader reader(directory / "a.csv", separator);
  std::vector<Fields> rows{reader.header()};
  Fields fields;
  while (reader.next(fields)) rows.push_back(fields);
  return rows;
}

TEST(CsvReader, ReadsQuotesLineEndsAndBlankLines) {
  const std::vector<Fields> expected{{"a", "b c"}, {"1", "x,y"}, {"", "say \"hi\"\nthere"}, {"3", "z"}};
  EXPECT_EQ(rows_of("a,b c\n1,\"x,y\"\n,\"say \"\"hi\"\"\nthere\"\n3,z\n"), expected);
  EXPECT_EQ(rows_of("\xef\xbb\xbf"
                    "a,b c\r\n1,\"x,y\"\r\n\r\n,\"say \"\"hi\"\"\nthere\"\r\n3,z"),
            expected);
  EXPECT_EQ(rows_of("a;b\n1,5;2\n", ';'), (std::vector<Fields>{{"a", "b"}, {"1,5", "2"}}));
}

TEST(CsvReader, NamesTheLineOfRaggedRows) {
  expect_parts(message_of([] { rows_of("a,b\n1,2\n3\n"); }), {"line 3", "expected 2 fields", "found 1"});
  expect_parts(message_of([] { rows_of("a,b\n\"1\n\",2\n1,2,3\n"); }),
               {"line 4", "expected 2 fields", "found 3"});
  expect_parts(message_of([] { rows_of("a,b\n1,\"2\n"); }), {"line 2", "quote is not closed"});
  expect_parts(message_of([] { rows_of(std::string("a,b\n1,\0", 7)); }), {"line 2", "zero byte"});
  expect_parts(message_of([] { rows_of(""); }), {"expected a header"});
  expect_parts(message_of([] { rows_of("a,,b\n"); }), {"column 2"});
  expect_parts(message_of([] { rows_of("a,b,a\n"); }), {"'a'"});
}

TEST(CsvReader, KeepsNoMoreFieldsThanItMayNeed) {
  const TemporaryDirectory directory;
  write_gzip(directory / "a.csv.gz", "a,b\n" + std::string(3'000'000, ',') + "\n");
  CsvReader reader(directory / "a.csv.gz", ',');
  Fields fields;
  expect_parts(message_of([&] { reader.next(fields); }), {"line 2", "expected 2 fields", "found 3000001"});
  EXPECT_LE(fields.capacity(), 4u);
  std::string names = "a";
  for (int i = 0; i < 1'000'000; ++i) names += ",b";
  expect_parts(message_of([&] { rows_of(names); }), {"line 1", "at most 1000000 columns", "found 1000001"});
}

TEST(MakeRoom, RefusesWhatThereIsNoMemoryFor) {
  std::vector<double> numbers{1, 2};
  expect_parts(message_of<UserError>([&] { make_room(numbers, std::size_t{1} << 45, "a.csv"); }),
               {"a.csv: needs 256.0 TiB of memory"});
  make_room(numbers, 3, "a.csv");
  EXPECT_GE(numbers.capacity(), 5u);
  EXPECT_EQ(numbers, (std::vector<double>{1, 2}));
}

TEST(CsvReader, ReadsNumbers) {
  double number = 0;
  for (const auto& [text, expected] :
       {std::pair("1", 1.0), {" -2.5e3\t", -2500.0}, {"+0.1", 0.1}, {"1e-400", 0.0}}) {
    EXPECT_TRUE(parse_number(text, number)) << text;
    EXPECT_EQ(number, expected);
  }
  for (const char* text : {"", " ", "x", "1x", "1 2", "0x10", "--1", "1,5"}) {
    EXPECT_FALSE(parse_number(text, number)) << text;
  }
}

TEST(CsvReader, SuggestsTheNearestColumn) {
  const TemporaryDirectory directory;
  write_text(directory / "a.csv", "width,species\n");
  const CsvReader reader(directory / "a.csv", ',');
  EXPECT_EQ(reader.column("species"), 1u);
  expect_parts(message_of<UserError>([&] { reader.column("specis"); }), {"'specis'", "'species'"});
}

}  // namespace
}  // namespace lockstep
