#include "formula_graph.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "activation_table.hpp"
#include "formula_functions.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"

namespace lockstep {
namespace {

constexpr std::size_t largest_graph = 1000;  // nodes
constexpr unsigned largest_product = 64;     // exponents up to here become products

namespace functions = formula_functions;

const std::vector<functions::Entry>& elementary_functions() {
  static const std::vector<functions::Entry> table = {
      functions::entry<functions::Exp>("exp"),
      functions::entry<functions::Expm1>("expm1"),
      functions::entry<functions::Log>("log", {"ln"}),
      functions::entry<functions::Log1p>("log1p"),
      functions::entry<functions::Sqrt>("sqrt"),
      functions::entry<functions::Sin>("sin"),
      functions::entry<functions::Cos>("cos"),
      functions::entry<functions::Tan>("tan"),
      functions::entry<functions::Atan>("atan", {"arctan"}),
      functions::entry<functions::Sinh>("sinh"),
      functions::entry<functions::Cosh>("cosh"),
      functions::entry<functions::Erf>("erf"),
      functions::entry<functions::NormalCdf>("normal_cdf"),
  };
  return table;
}

/// A number, a condition's included, as the programs of formula_program.cpp compute it.
double compute(FormulaOp op, double a, double b, double c) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  switch (op) {
    case FormulaOp::add:
      return a + b;
    case FormulaOp::subtract:
      return a - b;
    case FormulaOp::multiply:
    case FormulaOp::logical_and:
      return a * b;
    case FormulaOp::divide:
      return a / b;
    case FormulaOp::negate:
      return -a;
    case FormulaOp::absolute:
      return std::fabs(a);
    case FormulaOp::minimum:
      return a < b ? a : (b <= a ? b : nan);
    case FormulaOp::maximum:
      return a > b ? a : (b >= a ? b : nan);
    case FormulaOp::less:
      return a < b ? 1 : (a >= b ? 0 : nan);
    case FormulaOp::less_equal:
      return a <= b ? 1 : (a > b ? 0 : nan);
    case FormulaOp::equal:
      return a == b ? 1 : 0;
    case FormulaOp::logical_or:
      return a + b - a * b;
    case FormulaOp::logical_not:
      return 1 - a;
    case FormulaOp::select:
      return a == 1 ? b : (a == 0 ? c : nan);
    case FormulaOp::constant:
    case FormulaOp::x:
    case FormulaOp::function:
      break;
  }
  return nan;
}

}  // namespace

bool is_condition(FormulaOp op) {
  return op >= FormulaOp::less && op <= FormulaOp::logical_not;
}

std::size_t operand_count(FormulaOp op) {
  switch (op) {
    case FormulaOp::constant:
    case FormulaOp::x:
      return 0;
    case FormulaOp::function:
    case FormulaOp::negate:
    case FormulaOp::absolute:
    case FormulaOp::logical_not:
      return 1;
    case FormulaOp::select:
      return 3;
    default:
      return 2;
  }
}

FormulaFunction find_formula_function(std::string_view name) {
  for (const functions::Entry& entry : elementary_functions()) {
    const bool found = entry.name == name ||
                       std::find(entry.aliases.begin(), entry.aliases.end(), name) != entry.aliases.end();
    if (found) return {&entry.in_float, &entry.in_double, 0};
  }
  return {};
}

std::vector<std::string> formula_function_names() {
  std::vector<std::string> names;
  for (const functions::Entry& entry : elementary_functions()) names.push_back(entry.name);
  return names;
}

std::size_t FormulaGraph::insert(const FormulaNode& node) {
  // By their bits, 0 and −0 are two constants.
  const Key key{node.op,
                node.operands[0],
                node.operands[1],
                node.operands[2],
                node.constant,
                node.function.in_double,
                std::copysign(1.0, node.constant)};
  const auto [found, is_new] = known_.emplace(key, nodes_.size());
  if (is_new) nodes_.push_back(node);
  if (nodes_.size() > largest_graph) {
    throw UserError("expected a formula of at most " + std::to_string(largest_graph) +
                    " operations, found more");
  }
  return found->second;
}

std::size_t FormulaGraph::constant(double value) {
  if (!std::isfinite(value)) {
    throw UserError("expected finite numbers, found a part without x that comes to " + format_exact(value));
  }
  return insert({.constant = value});
}

std::size_t FormulaGraph::x() {
  return insert({.op = FormulaOp::x});
}

bool FormulaGraph::is_exp(std::size_t index, std::size_t& u) const {
  const FormulaNode& n = nodes_[index];
  u = n.operands[0];
  return n.op == FormulaOp::function && n.function.in_double == find_formula_function("exp").in_double;
}

bool FormulaGraph::is_one_plus(std::size_t index, std::size_t& rest) const {
  const FormulaNode& n = nodes_[index];
  if (n.op != FormulaOp::add) return false;
  for (const std::size_t side : {0, 1}) {
    rest = n.operands[1 - side];
    const FormulaNode& other = nodes_[n.operands[side]];
    if (other.op == FormulaOp::constant && other.constant == 1) return true;
  }
  return false;
}

bool FormulaGraph::is_one_plus_exp(std::size_t index, std::size_t& u) const {
  std::size_t rest = 0;
  return is_one_plus(index, rest) && is_exp(rest, u);
}

/// −u, without a double negation.
std::size_t FormulaGraph::negated(std::size_t index) {
  const FormulaNode n = nodes_[index];
  if (n.op == FormulaOp::negate) return n.operands[0];
  if (n.op == FormulaOp::multiply && is_constant(n.operands[0])) {
    return apply(FormulaOp::multiply, constant(-nodes_[n.operands[0]].constant), n.operands[1]);
  }
  return apply(FormulaOp::negate, index);
}

std::size_t FormulaGraph::apply(FormulaOp op, std::size_t a, std::size_t b, std::size_t c) {
  const std::size_t operands = operand_count(op);
  if (operands < 2) b = 0;
  if (operands < 3) c = 0;
  const bool constants =
      is_constant(a) && (operands < 2 || is_constant(b)) && (operands < 3 || is_constant(c));
  if (constants) return constant(compute(op, nodes_[a].constant, nodes_[b].constant, nodes_[c].constant));
  if (op == FormulaOp::select && is_constant(a)) return nodes_[a].constant == 1 ? b : c;

  std::size_t u = 0;
  if (op == FormulaOp::divide && is_one_plus_exp(b, u)) {
    const ActivationEntry& sigmoid = *find_activation_entry("sigmoid");
    const std::size_t gate = call({&sigmoid.in_float, &sigmoid.in_double, 0}, negated(u));
    return is_constant(a) && nodes_[a].constant == 1 ? gate : apply(FormulaOp::multiply, a, gate);
  }
  if (op == FormulaOp::subtract && is_constant(b) && nodes_[b].constant == 1 && is_exp(a, u)) {
    return call(find_formula_function("expm1"), u);
  }
  return insert({.op = op, .operands = {a, b, c}});
}

std::size_t FormulaGraph::call(const FormulaFunction& function, std::size_t argument) {
  if (is_constant(argument)) {
    const double z = nodes_[argument].constant;
    double value = 0;
    function.in_double->forward(function.parameter, {&z, 1, 1}, {&value, 1, 1});
    return constant(value);
  }
  std::size_t u = 0;
  if (function.in_double == find_formula_function("log").in_double) {
    const ActivationEntry& softplus = *find_activation_entry("softplus");
    if (is_one_plus_exp(argument, u)) return call({&softplus.in_float, &softplus.in_double, 0}, u);
    if (is_one_plus(argument, u)) return call(find_formula_function("log1p"), u);
  }
  return insert({.op = FormulaOp::function,
                 .operands = {argument, 0, 0},
                 .constant = function.parameter,  // tells nodes apart
                 .function = function});
}

std::size_t FormulaGraph::whole_power(std::size_t base, unsigned exponent) {
  if (exponent == 1) return base;
  const std::size_t half = whole_power(base, exponent / 2);
  const std::size_t square = apply(FormulaOp::multiply, half, half);
  return exponent % 2 == 0 ? square : apply(FormulaOp::multiply, square, base);
}

std::size_t FormulaGraph::power(std::size_t base, std::size_t exponent) {
  static const Kernels<float> in_float = kernels_of<functions::Power, float>();
  static const Kernels<double> in_double = kernels_of<functions::Power, double>();
  if (is_constant(exponent)) {
    const double p = nodes_[exponent].constant;
    if (p == 0) return constant(1);
    if (p == 0.5) return call(find_formula_function("sqrt"), base);
    if (p == std::floor(p) && std::fabs(p) <= largest_product) {
      const std::size_t whole = whole_power(base, static_cast<unsigned>(std::fabs(p)));
      return p > 0 ? whole : apply(FormulaOp::divide, constant(1), whole);
    }
    return call({&in_float, &in_double, p}, base);
  }
  const std::size_t log = call(find_formula_function("log"), base);
  return call(find_formula_function("exp"), apply(FormulaOp::multiply, exponent, log));
}

}  // namespace lockstep
