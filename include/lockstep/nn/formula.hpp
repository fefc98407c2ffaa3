#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/core/matrix.hpp"

namespace lockstep {

class FormulaProgram;

/// A function of x that is given as text, "x*tanh(log(1+exp(x)))", with its exact derivative. The grammar
/// stands in docs/formulas.md. Bits are defined: elementary functions come from core/elementary.hpp,
/// operations are those of the text, in its order (but for the forms that docs/formulas.md names), each
/// rounded once.
class Formula {
 public:
  /// Throws UserError saying at which character what was expected and what was found.
  explicit Formula(std::string_view text);

  /// The text without needless blanks; parses to the same formula.
  const std::string& text() const { return text_; }

  /// a = f(z), slopes = f'(z), element by element; z and a may be the same memory. At a kink f' is the slope
  /// of the left branch.
  template <class T>
  void evaluate(MatrixView<const T> z, MatrixView<T> a, MatrixView<T> slopes) const;

 private:
  std::string text_;
  std::shared_ptr<const FormulaProgram> program_;
};

/// Names of all functions that formulas can call.
std::vector<std::string> formula_function_list();

}  // namespace lockstep
