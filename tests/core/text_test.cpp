#include "lockstep/core/text.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lockstep/core/error.hpp"
#include "user_error_message.hpp"

namespace lockstep {
namespace {

using Texts = std::vector<std::string>;

TEST(Trimmed, LosesTheBlanksAtBothEnds) {
  EXPECT_EQ(trimmed(" \ta b\r\n"), "a b");
  EXPECT_EQ(trimmed(" a\n", " "), "a\n");
  EXPECT_EQ(trimmed(" \t"), "");
}

TEST(IsUtf8, KnowsWhatOtherBytesAreNot) {
  for (const char* text : {"", "plain", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf"})
    EXPECT_TRUE(is_utf8(text)) << text;
  for (const char* text : {"caf\xe9", "caf\xe9s", "\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80",
                           "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff"})
    EXPECT_FALSE(is_utf8(text)) << text;
}

TEST(Printable, EscapesWhatATerminalWouldObeyOrNotShow) {
  EXPECT_EQ(printable("straße\n\xf0\x9f\x8e\xb2 …"), "straße\n\xf0\x9f\x8e\xb2 …");
  EXPECT_EQ(printable("a\x1b[31m\t\x7f\r"), "a\\x1b[31m\\x09\\x7f\\x0d");
  EXPECT_EQ(printable("caf\xe9!"), "caf\\xe9!");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");  // as ESC [ to some terminals
  EXPECT_EQ(printable(""), "");
}

TEST(InQuotes, LeavesPathsWhole) {
  const std::string path(4000, 'x');
  EXPECT_EQ(path_in_quotes(path), "'" + path + "'");
}

TEST(InQuotes, StaysInOneLineAndShort) {
  EXPECT_EQ(in_quotes("a\nb"), "'a\\x0ab'");
  EXPECT_EQ(in_quotes(std::string(300, 'x')).size(), 302u);
  EXPECT_EQ(in_quotes(std::string(1 << 20, 'x')), "'" + std::string(300, 'x') + "…'");
}

TEST(Shortened, CutsBetweenCharacters) {
  EXPECT_EQ(shortened("aßb", 4), "aßb");
  EXPECT_EQ(shortened("aßb", 3), "aß…");
  EXPECT_EQ(shortened("aßb", 2), "a…");
  EXPECT_EQ(shortened(std::string(10, '\x80'), 6), std::string(6, '\x80') + "…");
  EXPECT_EQ(shortened("ßßß", 1), "…");
}

TEST(SplitList, SplitsOutsideParenthesesAndTrims) {
  EXPECT_EQ(split_list("a(1,2), b"), (Texts{"a(1,2)", "b"}));
  EXPECT_EQ(split_list(" 128 ,64"), (Texts{"128", "64"}));
  EXPECT_EQ(split_list("f(g(1,2),h(3)),k"), (Texts{"f(g(1,2),h(3))", "k"}));
  EXPECT_EQ(split_list("a;b,c", ';'), (Texts{"a", "b,c"}));
}

TEST(SplitList, KeepsEmptyPartsButNotAnEmptyText) {
  EXPECT_EQ(split_list(""), Texts{});
  EXPECT_EQ(split_list("  "), Texts{});
  EXPECT_EQ(split_list("a,,b"), (Texts{"a", "", "b"}));
  EXPECT_EQ(split_list("a,"), (Texts{"a", ""}));
}

TEST(SplitList, RefusesUnbalancedParentheses) {
  EXPECT_EQ(user_error_message([] { split_list("leaky_relu(0.2"); }),
            "'leaky_relu(0.2': expected balanced parentheses, found one that is not closed");
  EXPECT_EQ(user_error_message([] { split_list("a),b("); }),
            "'a),b(': expected balanced parentheses, found one that was not opened");
  EXPECT_EQ(user_error_message([] { split_list("a\nb("); }),
            "'a\\x0ab(': expected balanced parentheses, found one that is not closed");
}

TEST(ParseCall, TakesNamesWithAndWithoutArguments) {
  EXPECT_EQ(parse_call("relu").name, "relu");
  EXPECT_TRUE(parse_call("relu").arguments.empty());
  EXPECT_TRUE(parse_call("relu()").arguments.empty());
  const Call call = parse_call(" uniform ( -0.1, 0.1 ) ");
  EXPECT_EQ(call.name, "uniform");
  EXPECT_EQ(call.arguments, (Texts{"-0.1", "0.1"}));
}

TEST(ParseCall, RefusesTextAfterTheArguments) {
  EXPECT_THROW(parse_call("leaky_relu(0.2"), UserError);
  EXPECT_THROW(parse_call("leaky_relu(0.2)x"), UserError);
  EXPECT_THROW(parse_call("leaky_relu(0.2)(0.3)"), UserError);
}

TEST(CanonicalName, MakesSpellingsAlike) {
  for (const char* name : {"LeakyReLU", "leaky_relu", "leaky-relu", "Leaky ReLU", "LEAKY_RELU"}) {
    EXPECT_EQ(canonical_name(name), "leakyrelu") << name;
  }
}

TEST(ParseDouble, ReadsWholeTexts) {
  EXPECT_EQ(parse_double("1e-3", "x"), 1e-3);
  EXPECT_EQ(parse_double(" 0.25 ", "x"), 0.25);
  EXPECT_EQ(parse_double("-7", "x"), -7.0);
  EXPECT_EQ(parse_double("+7", "x"), 7.0);
  EXPECT_EQ(parse_double("inf", "x"), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(parse_double("nan", "x")));
}

TEST(ParseDouble, RefusesWhatIsNoNumber) {
  for (const char* text : {"", " ", "x", "1.5x", "1,5", "1 2", "--1", "+-1", "0x10", "."}) {
    EXPECT_THROW(parse_double(text, "x"), UserError) << text;
  }
  EXPECT_EQ(user_error_message([] { parse_double("fast", "--learning-rate"); }),
            "--learning-rate: expected a number, found 'fast'");
  EXPECT_THROW(parse_double("1e999", "x"), UserError);
}

TEST(ParseInt, HoldsToItsRange) {
  EXPECT_EQ(parse_int("-42", "x"), -42);
  EXPECT_EQ(parse_int("9223372036854775807", "x"), std::numeric_limits<std::int64_t>::max());
  EXPECT_THROW(parse_int("9223372036854775808", "x"), UserError);
  EXPECT_THROW(parse_int("1.5", "x"), UserError);
  EXPECT_THROW(parse_int("1e3", "x"), UserError);
}

TEST(ParseUnsigned, RefusesNegativeNumbers) {
  EXPECT_EQ(parse_unsigned("18446744073709551615", "x"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_THROW(parse_unsigned("18446744073709551616", "x"), UserError);
  EXPECT_EQ(user_error_message([] { parse_unsigned("-1", "--shards"); }),
            "--shards: expected a whole number of at least 0, found '-1'");
}

TEST(FormatExact, IsTheShortestTextThatReadsBack) {
  EXPECT_EQ(format_exact(0.1), "0.1");
  EXPECT_EQ(format_exact(0.1F), "0.1");
  EXPECT_EQ(format_exact(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(format_exact(std::nan("")), "nan");
  EXPECT_EQ(format_exact(-std::nan("")), "nan");
  EXPECT_EQ(format_exact(-std::numeric_limits<double>::infinity()), "-inf");
  for (const double value : {5e-324, 1.7976931348623157e308, -0.0, 123456789.123456789, 1e22, 1e23}) {
    EXPECT_EQ(parse_double(format_exact(value), "x"), value);
    EXPECT_EQ(std::signbit(parse_double(format_exact(value), "x")), std::signbit(value));
  }
}

TEST(NearestName, FindsWhatWasMeantAndNothingElse) {
  const Texts names{"relu", "leaky_relu", "sigmoid", "tanh"};
  EXPECT_EQ(nearest_name("rellu", names), "relu");
  EXPECT_EQ(nearest_name("Sigmod", names), "sigmoid");
  EXPECT_EQ(nearest_name("LeekyReLU", names), "leaky_relu");
  EXPECT_EQ(nearest_name("convolution", names), std::nullopt);
  EXPECT_EQ(suggestion("rellu", names), " (did you mean 'relu'?)");
  EXPECT_EQ(suggestion("convolution", names), "");
}

TEST(NearestName, DoesNotTakeShortNamesForEachOther) {
  EXPECT_EQ(nearest_name("ab", Texts{"xy"}), std::nullopt);
}

TEST(Join, PutsSeparatorsBetween) {
  EXPECT_EQ(join(Texts{}), "");
  EXPECT_EQ(join(Texts{"a"}), "a");
  EXPECT_EQ(join(Texts{"a", "b", "c"}), "a, b, c");
  EXPECT_EQ(join(Texts{"a", "b"}, "/"), "a/b");
}

TEST(FormatDecimal, IsShortForAnyNumber) {
  EXPECT_EQ(format_decimal(0.12345, 4), "0.1235");
  EXPECT_EQ(format_decimal(-2, 4), "-2.0000");
  EXPECT_EQ(format_decimal(123456789, 1), "123456789.0");
  EXPECT_EQ(format_decimal(1.23456e300, 4), "1.235e+300");
  EXPECT_EQ(format_decimal(-1e9, 6), "-1e+09");
  EXPECT_EQ(format_decimal(std::numeric_limits<double>::infinity(), 4), "inf");
  EXPECT_EQ(format_decimal(-std::numeric_limits<double>::quiet_NaN(), 4), "nan");
}

TEST(FormatBytes, UsesBinaryUnits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1536 * 1024), "1.5 MiB");
  EXPECT_EQ(format_bytes(std::uint64_t{1} << 40), "1.0 TiB");
  EXPECT_EQ(format_bytes(std::numeric_limits<std::uint64_t>::max()), "16.0 EiB");
}

}  // namespace
}  // namespace lockstep
