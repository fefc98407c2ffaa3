#include "io_fixture.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {
namespace {

TEST(Hdf5Attribute, ReadsBackWhatWasWritten) {
  const TemporaryDirectory directory;
  std::vector<std::string> many(10'000);  // more than the 64 KiB that old formats allow
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = "class " + std::to_string(i);
  const std::vector<double> numbers{0.1, -0.0, 1e-310};
  {
    const Hdf5Handle file = create_hdf5(directory / "a.h5");
    write_attribute(file.get(), "text", "zwölf", "a");
    write_attribute(file.get(), "empty", "", "a");
    write_attribute(file.get(), "many", many, "a");
    write_attribute(file.get(), "none", std::vector<std::string>{}, "a");
    write_number_attribute<std::uint64_t>(file.get(), "number", ~0ull, "a");
    write_numbers_attribute<double>(file.get(), "numbers", numbers, "a");
  }
  const Hdf5Handle file = open_hdf5(directory / "a.h5");
  EXPECT_EQ(read_text_attribute(file.get(), "text", "a"), "zwölf");
  EXPECT_EQ(read_text_attribute(file.get(), "empty", "a"), "");
  EXPECT_EQ(read_texts_attribute(file.get(), "many", "a"), many);
  EXPECT_TRUE(read_texts_attribute(file.get(), "none", "a").empty());
  EXPECT_EQ(read_number_attribute<std::uint64_t>(file.get(), "number", "a"), ~0ull);
  EXPECT_EQ(read_numbers_attribute<double>(file.get(), "numbers", "a"), numbers);
  EXPECT_EQ(attribute_names(file.get(), "a"),
            (std::vector<std::string>{"empty", "many", "none", "number", "numbers", "text"}));
}

TEST(Hdf5Attribute, NamesWhatIsMissingOrOfAnotherType) {
  const TemporaryDirectory directory;
  const Hdf5Handle file = create_hdf5(directory / "a.h5");
  write_attribute(file.get(), "text", "three", "a");
  expect_parts(message_of([&] { read_text_attribute(file.get(), "none", "a"); }),
               {"a: attribute 'none'", "missing"});
  expect_parts(message_of([&] { read_number_attribute<double>(file.get(), "text", "a"); }),
               {"a: attribute 'text'", "expected a number"});
  write_number_attribute<double>(file.get(), "half", 0.5, "a");
  expect_parts(message_of([&] { read_number_attribute<std::int64_t>(file.get(), "half", "a"); }),
               {"expected a whole number"});
  expect_parts(message_of([&] { read_text_attribute(file.get(), "half", "a"); }), {"expected a text"});
}

TEST(Hdf5Attribute, PrintsNothingOfItsOwn) {
  const TemporaryDirectory directory;
  const Hdf5Handle file = create_hdf5(directory / "a.h5");
  testing::internal::CaptureStderr();
  EXPECT_THROW(open_array(file.get(), "/nothing", "a"), FileError);
  EXPECT_THROW(hdf5_check(H5Dopen2(file.get(), "/nothing", H5P_DEFAULT), "a", "cannot"), FileError);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace lockstep
