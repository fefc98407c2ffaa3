#include "formula_parser.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <numbers>

#include "activation_table.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"

namespace lockstep {
namespace {

constexpr std::size_t longest_formula = 2000;  // characters
constexpr int deepest_nesting = 100;

struct Token {
  enum class Kind { number, name, sign, end };
  Kind kind = Kind::end;
  std::string_view text;
  double number = 0;
  std::size_t position = 0;  // of its first character
};

[[noreturn]] void fail(std::string_view formula, std::size_t position, const std::string& problem) {
  throw UserError("formula " + in_quotes(formula) + ", character " + std::to_string(position + 1) + ": " +
                  problem);
}

std::string shown(const Token& token) {
  return token.kind == Token::Kind::end ? "the end" : in_quotes(token.text);
}

bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_';
}
bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

std::vector<Token> tokens_of(std::string_view text) {
  std::vector<Token> tokens;
  for (std::size_t i = 0;;) {
    while (i < text.size() && std::isspace(static_cast<unsigned char>(text[i])) != 0) ++i;
    if (i == text.size()) break;
    Token token{Token::Kind::sign, text.substr(i, 1), 0, i};
    if (is_letter(text[i])) {
      std::size_t end = i;
      while (end < text.size() && (is_letter(text[end]) || is_digit(text[end]))) ++end;
      token.kind = Token::Kind::name;
      token.text = text.substr(i, end - i);
    } else if (is_digit(text[i]) || (text[i] == '.' && i + 1 < text.size() && is_digit(text[i + 1]))) {
      const auto [end, error] = std::from_chars(text.data() + i, text.data() + text.size(), token.number);
      token.kind = Token::Kind::number;
      token.text = text.substr(i, static_cast<std::size_t>(end - text.data()) - i);
      if (error != std::errc{})
        fail(text, i, "expected a number in the range of double, found " + in_quotes(token.text));
    } else if (const std::string_view two = text.substr(i, 2);
               two == "**" || two == "<=" || two == ">=" || two == "==" || two == "!=") {
      token.text = two;
    } else if (std::string_view("+-*/^(),=<>|").find(text[i]) == std::string_view::npos) {
      // All bytes of a character beyond ASCII.
      std::size_t end = i + 1;
      while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
      fail(text, i,
           "expected letters, digits and + - * / ^ ( ) , = < > |, found " +
               in_quotes(std::string(text.substr(i, end - i))));
    }
    i += token.text.size();
    tokens.push_back(token);
  }
  tokens.push_back({Token::Kind::end, text.substr(text.size()), 0, text.size()});
  return tokens;
}

/// The formula without blanks but those between words.
std::string canonical_text(const std::vector<Token>& tokens) {
  std::string text;
  for (const Token& token : tokens) {
    const bool word = token.kind == Token::Kind::name || token.kind == Token::Kind::number;
    if (word && !text.empty() && (is_letter(text.back()) || is_digit(text.back()) || text.back() == '.')) {
      text += ' ';
    }
    text += token.text;
  }
  return text;
}

bool is_keyword(std::string_view name) {
  return name == "if" || name == "else" || name == "and" || name == "or" || name == "not";
}

/// Functions of several numbers and their counts.
struct Combination {
  const char* name;
  std::size_t least, most;
};
constexpr Combination combinations[] = {{"if", 3, 3},  {"min", 2, 100}, {"max", 2, 100}, {"clip", 3, 3},
                                        {"abs", 1, 1}, {"sign", 1, 1},  {"pow", 2, 2}};

std::vector<std::string> callable_activations() {
  std::vector<std::string> names;
  for (const ActivationInfo& info : activation_table()) {
    if (!info.parameter_trained) names.push_back(info.name);
  }
  return names;
}

/// Names of numbers, with their nodes.
using Names = std::map<std::string, std::size_t, std::less<>>;

/// Recursive descent. Each function reads one rule of the grammar and returns its node.
class Parser {
 public:
  Parser(std::string_view text, FormulaGraph& graph, Names names, int depth = 0)
      : text_(text), tokens_(tokens_of(text)), graph_(graph), names_(std::move(names)), depth_(depth) {}

  const std::vector<Token>& tokens() const { return tokens_; }

  /// The formula with its constants.
  std::size_t whole() {
    const std::vector<std::size_t> definitions = definitions_of_constants();
    for (std::size_t i = 0; i < definitions.size(); ++i) {
      define(definitions[i], i + 1 < definitions.size() ? definitions[i + 1] - 1 : tokens_.size() - 1);
    }
    next_ = 0;
    end_ = definitions.empty() ? tokens_.size() - 1 : definitions.front() - 1;
    return number_up_to_end();
  }

 private:
  // Tokens

  Token peek() const {
    Token token = tokens_[std::min(next_, end_)];
    if (next_ >= end_) token.kind = Token::Kind::end;
    return token;
  }
  bool at(std::string_view text) const {
    return next_ < end_ && tokens_[next_].kind != Token::Kind::number && tokens_[next_].text == text;
  }
  bool take(std::string_view text) {
    if (!at(text)) return false;
    ++next_;
    return true;
  }
  [[noreturn]] void fail_here(const std::string& problem) const { fail(text_, peek().position, problem); }
  void expect(std::string_view text, const std::string& for_what) {
    if (!take(text)) {
      fail_here("expected '" + std::string(text) + "' " + for_what + ", found " + shown_here());
    }
  }
  /// What stands here, in words: the comma before the named constants is an end, too.
  std::string shown_here() const { return next_ >= tokens_.size() - 1 ? "the end" : shown(tokens_[next_]); }

  /// Counts how deep rules nest.
  struct Nesting {
    explicit Nesting(Parser& parser_) : parser(parser_) {
      if (++parser.depth_ > deepest_nesting) {
        parser.fail_here("expected at most " + std::to_string(deepest_nesting) + " nested parts, found more");
      }
    }
    ~Nesting() { --parser.depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    Parser& parser;
  };

  // Named constants

  /// Indices of the tokens that stand before '=' and behind a comma outside parentheses.
  std::vector<std::size_t> definitions_of_constants() const {
    std::vector<std::size_t> found;
    int open = 0;
    for (std::size_t i = 0; i + 2 < tokens_.size(); ++i) {
      if (tokens_[i].text == "(") ++open;
      if (tokens_[i].text == ")") --open;
      const bool name = tokens_[i + 1].kind == Token::Kind::name;
      if (open == 0 && tokens_[i].text == "," && name && tokens_[i + 2].text == "=") found.push_back(i + 1);
    }
    return found;
  }

  void define(std::size_t begin, std::size_t end) {
    next_ = begin;
    end_ = end;
    const std::string name(tokens_[begin].text);
    if (names_.contains(name) || is_keyword(name)) {
      fail_here("expected a new name for the constant, found " + in_quotes(name));
    }
    next_ += 2;
    const std::size_t value = number_up_to_end();
    if (!graph_.is_constant(value)) {
      fail(text_, tokens_[begin + 2].position, "expected a constant for " + name + ", found x in it");
    }
    names_[name] = value;
  }

  // The grammar

  std::size_t number_up_to_end() {
    const std::size_t node = number();
    if (next_ < end_) fail_here("expected an operator or the end, found " + shown_here());
    return node;
  }

  /// What a rule has read. (A condition without x is a constant node, so nodes do not tell.)
  struct Value {
    std::size_t node;
    bool is_condition;
  };
  Value number_of(std::size_t node) const { return {node, false}; }
  Value condition_of(std::size_t node) const { return {node, true}; }

  /// The node of a value that has to be a number, or a condition; `first` is its first token.
  std::size_t number_in(const Value& value, const Token& first) const {
    if (value.is_condition) fail(text_, first.position, "expected a number, found a condition");
    return value.node;
  }
  std::size_t condition_in(const Value& value, const Token& first) const {
    if (!value.is_condition) {
      fail(text_, first.position, "expected a condition such as x > 0, found a number");
    }
    return value.node;
  }
  std::size_t number() {
    const Token first = peek();
    return number_in(expression(), first);
  }
  template <class Rule>
  std::size_t number_by(const Rule& rule) {
    const Token first = peek();
    return number_in(rule(), first);
  }
  template <class Rule>
  std::size_t condition_by(const Rule& rule) {
    const Token first = peek();
    return condition_in(rule(), first);
  }

  Value expression() {
    const Nesting nesting(*this);
    const Token first = peek();
    const Value value = disjunction();
    if (!take("if")) return value;
    const std::size_t chosen = number_in(value, first);
    const std::size_t condition = condition_by([&] { return disjunction(); });
    expect("else", "behind the condition");
    return number_of(graph_.apply(FormulaOp::select, condition, chosen, number()));
  }

  template <class Rule>
  Value chain_of(std::string_view word, FormulaOp op, const Rule& rule) {
    const Token first = peek();
    Value left = rule();
    while (at(word)) {
      const std::size_t node = condition_in(left, first);
      ++next_;
      left = condition_of(graph_.apply(op, node, condition_by(rule)));
    }
    return left;
  }
  Value disjunction() {
    return chain_of("or", FormulaOp::logical_or, [&] { return conjunction(); });
  }
  Value conjunction() {
    return chain_of("and", FormulaOp::logical_and, [&] { return negation(); });
  }
  Value negation() {
    if (!take("not")) return comparison();
    const Nesting nesting(*this);
    return condition_of(graph_.apply(FormulaOp::logical_not, condition_by([&] { return negation(); })));
  }

  bool at_comparison() const { return at("<") || at("<=") || at(">") || at(">=") || at("==") || at("!="); }
  Value comparison() {
    const Token first = peek();
    const Value only = sum();
    if (!at_comparison()) return only;
    std::size_t left = number_in(only, first), all = 0;
    for (bool is_first = true; at_comparison(); is_first = false) {  // a < b <= c is a < b and b <= c
      const std::string_view relation = tokens_[next_++].text;
      const std::size_t right = number_by([&] { return sum(); });
      const std::size_t one = compare(relation, left, right);
      all = is_first ? one : graph_.apply(FormulaOp::logical_and, all, one);
      left = right;
    }
    return condition_of(all);
  }
  std::size_t compare(std::string_view relation, std::size_t a, std::size_t b) {
    if (relation == "<") return graph_.apply(FormulaOp::less, a, b);
    if (relation == "<=") return graph_.apply(FormulaOp::less_equal, a, b);
    if (relation == ">") return graph_.apply(FormulaOp::less, b, a);
    if (relation == ">=") return graph_.apply(FormulaOp::less_equal, b, a);
    const std::size_t equal = graph_.apply(FormulaOp::equal, a, b);
    return relation == "==" ? equal : graph_.apply(FormulaOp::logical_not, equal);
  }

  /// operand (sign operand)*, from left to right; each sign stands for the operation at its index.
  template <class Rule>
  Value arithmetic(std::string_view signs, std::pair<FormulaOp, FormulaOp> ops, const Rule& rule) {
    const Token first = peek();
    Value left = rule();
    while (at(signs.substr(0, 1)) || at(signs.substr(1, 1))) {
      const std::size_t node = number_in(left, first);
      const FormulaOp op = at(signs.substr(0, 1)) ? ops.first : ops.second;
      ++next_;
      left = number_of(graph_.apply(op, node, number_by(rule)));
    }
    return left;
  }
  Value sum() {
    return arithmetic("+-", {FormulaOp::add, FormulaOp::subtract}, [&] { return product(); });
  }
  Value product() {
    return arithmetic("*/", {FormulaOp::multiply, FormulaOp::divide}, [&] { return sign(); });
  }
  Value sign() {
    if (!at("-") && !at("+")) return power();
    const Nesting nesting(*this);
    const bool minus = at("-");
    ++next_;
    const std::size_t node = number_by([&] { return sign(); });
    return number_of(minus ? graph_.apply(FormulaOp::negate, node) : node);
  }
  Value power() {
    const Token first = peek();
    const Value base = primary();
    if (!at("^") && !at("**")) return base;
    const std::size_t node = number_in(base, first);
    ++next_;
    const Nesting nesting(*this);
    return number_of(graph_.power(node, number_by([&] { return sign(); })));
  }

  Value primary() {
    const Token token = peek();
    if (token.kind == Token::Kind::number) {
      ++next_;
      return number_of(graph_.constant(token.number));
    }
    if (token.kind == Token::Kind::name && (token.text == "if" || !is_keyword(token.text))) {
      return number_of(named());
    }
    const std::string to_close = "to close the one at character " + std::to_string(token.position + 1);
    if (take("(")) {
      const Value value = expression();
      expect(")", to_close);
      return value;
    }
    if (take("|")) {
      const std::size_t node = number();
      expect("|", to_close);
      return number_of(graph_.apply(FormulaOp::absolute, node));
    }
    fail_here("expected a number, x, a name or '(', found " + shown_here());
  }

  std::size_t named() {
    const Token token = peek();
    ++next_;
    const std::string name(token.text);
    if (at("(")) return call(name, token);
    const auto found = names_.find(name);
    if (found != names_.end()) return found->second;
    const std::vector<std::string> callable = formula_names();
    if (std::find(callable.begin(), callable.end(), name) != callable.end()) {
      fail_here("expected '(' behind the function " + name + ", found " + shown_here());
    }
    std::vector<std::string> known;
    for (const auto& [known_name, node] : names_) known.push_back(known_name);
    fail(text_, token.position,
         "expected x, a constant or a function, found " + in_quotes(name) + suggestion(name, known) +
             "; constants are given behind the formula: , " + name + "=1");
  }

  std::size_t call(const std::string& name, const Token& token) {
    const auto combination = std::find_if(std::begin(combinations), std::end(combinations),
                                          [&](const Combination& c) { return c.name == name; });
    const FormulaFunction function = find_formula_function(name);
    const ActivationEntry* const activation = find_activation_entry(name);
    const bool is_combination = combination != std::end(combinations);
    if (!is_combination && function.in_double == nullptr &&
        (activation == nullptr || activation->info.parameter_trained)) {
      fail(text_, token.position,
           "expected a function, found " + in_quotes(name) + suggestion(name, formula_names()) +
               "; there are " + join(formula_names()));
    }
    const std::vector<std::size_t> arguments = read_arguments(name == "if");
    const bool has_parameter = activation != nullptr && !activation->info.parameter_name.empty();
    const std::size_t least = is_combination ? combination->least : 1;
    const std::size_t most = is_combination ? combination->most : (has_parameter ? 2 : 1);
    if (arguments.size() < least || arguments.size() > most) {
      fail(text_, token.position,
           name + ": expected " + std::to_string(least) +
               (most == 100    ? " or more"
                : most > least ? " or 2"
                               : "") +
               " arguments, found " + std::to_string(arguments.size()));
    }
    if (is_combination) return combine(name, arguments);
    if (function.in_double != nullptr) return graph_.call(function, arguments[0]);
    return call_activation(*activation, arguments);
  }

  std::vector<std::size_t> read_arguments(bool first_is_condition) {
    const std::size_t open = tokens_[next_].position;
    expect("(", "before the arguments");
    std::vector<std::size_t> arguments;
    do {
      const bool condition = first_is_condition && arguments.empty();
      arguments.push_back(condition ? condition_by([&] { return expression(); }) : number());
    } while (take(","));
    expect(")", "to close the one at character " + std::to_string(open + 1));
    return arguments;
  }

  std::size_t combine(const std::string& name, const std::vector<std::size_t>& a) {
    if (name == "if") return graph_.apply(FormulaOp::select, a[0], a[1], a[2]);
    if (name == "abs") return graph_.apply(FormulaOp::absolute, a[0]);
    if (name == "pow") return graph_.power(a[0], a[1]);
    if (name == "clip") {
      return graph_.apply(FormulaOp::minimum, graph_.apply(FormulaOp::maximum, a[0], a[1]), a[2]);
    }
    if (name == "sign") {
      const std::size_t zero = graph_.constant(0);
      const std::size_t below = graph_.apply(FormulaOp::less, a[0], zero);
      const std::size_t above = graph_.apply(FormulaOp::less, zero, a[0]);
      const std::size_t not_above = graph_.apply(FormulaOp::select, below, graph_.constant(-1), zero);
      return graph_.apply(FormulaOp::select, above, graph_.constant(1), not_above);
    }
    std::size_t node = a[0];
    const FormulaOp op = name == "min" ? FormulaOp::minimum : FormulaOp::maximum;
    for (std::size_t i = 1; i < a.size(); ++i) node = graph_.apply(op, node, a[i]);
    return node;
  }

  /// Smooth activations are computed as the table computes them. Those with kinks are read from their
  /// formulas, for the kinks' slopes to follow the left branch in x whatever the argument.
  std::size_t call_activation(const ActivationEntry& entry, const std::vector<std::size_t>& arguments) {
    const bool smooth = !entry.piecewise_rational && entry.info.formula.find(" if ") == std::string::npos;
    if (smooth) return graph_.call({&entry.in_float, &entry.in_double, 0}, arguments[0]);
    Names names = {{"x", arguments[0]}};
    if (!entry.info.parameter_name.empty()) {
      names[entry.info.parameter_name] =
          arguments.size() > 1 ? arguments[1] : graph_.constant(entry.info.parameter_default);
    }
    return Parser(entry.info.formula, graph_, std::move(names), depth_).whole();
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  FormulaGraph& graph_;
  Names names_;
  std::size_t next_ = 0, end_ = 0;  // the tokens from next_ to end_ are still to be read
  int depth_ = 0;
};

}  // namespace

ParsedFormula parse_formula(std::string_view text) {
  if (text.size() > longest_formula) {
    throw UserError("formula: expected at most " + std::to_string(longest_formula) + " characters, found " +
                    std::to_string(text.size()));
  }
  ParsedFormula parsed;
  const std::size_t x = parsed.graph.x();
  const Names names = {{"x", x},
                       {"pi", parsed.graph.constant(std::numbers::pi)},
                       {"e", parsed.graph.constant(std::numbers::e)}};
  Parser parser(text, parsed.graph, names);
  parsed.text = canonical_text(parser.tokens());
  try {
    parsed.root = parser.whole();
  } catch (const UserError& error) {
    const std::string message = error.what();
    if (message.starts_with("formula '")) throw;
    throw UserError("formula '" + std::string(text) + "': " + message);
  }
  if (parsed.graph.is_constant(parsed.root)) {
    throw UserError("formula '" + std::string(text) + "': expected a function of x, found a constant");
  }
  return parsed;
}

std::vector<std::string> formula_names() {
  std::vector<std::string> names;
  for (const Combination& combination : combinations) names.emplace_back(combination.name);
  for (const std::string& name : formula_function_names()) names.push_back(name);
  for (const std::string& name : callable_activations()) names.push_back(name);
  return names;
}

}  // namespace lockstep
