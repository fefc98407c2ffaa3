#pragma once

#include <string>
#include <string_view>

#include "formula_graph.hpp"

namespace lockstep {

/// A parsed formula: the graph, the node that is its value, and the text in canonical form.
struct ParsedFormula {
  FormulaGraph graph;
  std::size_t root = 0;
  std::string text;
};

/// Reads a formula of x, with named constants behind it: "x*sigmoid(b*x), b=1.5". From loosest to tightest:
///   a if condition else b · or · and · not · < <= > >= == != · + - · * / · sign · ^ or **
/// with numbers, x, pi, e, (…), |…| and functions: if(condition, a, b), min, max, clip, abs, sign, pow, the
/// elementary ones and the activations of the table. Throws UserError saying at which character what was
/// expected and what was found.
ParsedFormula parse_formula(std::string_view text);

/// All names that a formula can call, for messages and documentation.
std::vector<std::string> formula_names();

}  // namespace lockstep
