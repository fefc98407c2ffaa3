#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "activation_kernels.hpp"

namespace lockstep {

/// What a node of a formula computes from its operands.
enum class FormulaOp {
  constant,
  x,
  function,  // of one number: its kernels
  add,
  subtract,
  multiply,
  divide,
  negate,
  absolute,
  minimum,
  maximum,
  // Conditions: 1, 0, or NaN where an operand is NaN.
  less,
  less_equal,
  equal,
  logical_and,
  logical_or,
  logical_not,
  select,  // operand 1 where condition 0 holds, else operand 2
};

bool is_condition(FormulaOp op);

/// The kernels of a function of one number.
struct FormulaFunction {
  const Kernels<float>* in_float = nullptr;
  const Kernels<double>* in_double = nullptr;
  double parameter = 0;
};

struct FormulaNode {
  FormulaOp op = FormulaOp::constant;
  std::size_t operands[3] = {0, 0, 0};  // indices of nodes before this one
  double constant = 0;
  FormulaFunction function = {};
};

std::size_t operand_count(FormulaOp op);

/// A formula as a graph whose nodes stand after their operands. Equal nodes are one; what does not depend on
/// x is computed at once. Forms that overflow on the way to a finite result are replaced by equal ones that
/// do not:  log(1 + exp(u)) by softplus(u),  v/(1 + exp(u)) by v·sigmoid(−u),  log(1 + u) by log1p(u), exp(u)
/// − 1 by expm1(u).
class FormulaGraph {
 public:
  const std::vector<FormulaNode>& nodes() const { return nodes_; }
  const FormulaNode& node(std::size_t index) const { return nodes_[index]; }
  bool is_constant(std::size_t index) const { return nodes_[index].op == FormulaOp::constant; }

  std::size_t constant(double value);
  std::size_t x();
  /// The node for an operation; indices beyond its operands are ignored. Throws UserError if the graph grows
  /// too large.
  std::size_t apply(FormulaOp op, std::size_t a, std::size_t b = 0, std::size_t c = 0);
  /// An elementary function by its name in the table of functions.
  std::size_t call(const FormulaFunction& function, std::size_t argument);
  /// base^exponent: products for small whole exponents, else by way of the logarithm.
  std::size_t power(std::size_t base, std::size_t exponent);

 private:
  using Key = std::tuple<FormulaOp, std::size_t, std::size_t, std::size_t, double, const void*, double>;
  std::size_t insert(const FormulaNode& node);
  std::size_t whole_power(std::size_t base, unsigned exponent);
  /// Whether the node is 1 + exp(u); then u is written.
  bool is_one_plus_exp(std::size_t index, std::size_t& u) const;
  bool is_one_plus(std::size_t index, std::size_t& rest) const;
  bool is_exp(std::size_t index, std::size_t& u) const;
  std::size_t negated(std::size_t index);

  std::vector<FormulaNode> nodes_;
  std::map<Key, std::size_t> known_;
};

/// The function with this name or alias among the elementary functions and the activations; kernels are null
/// if there is none. Activations with kinks are not among them: their formulas stand in the table.
FormulaFunction find_formula_function(std::string_view name);
std::vector<std::string> formula_function_names();

}  // namespace lockstep
