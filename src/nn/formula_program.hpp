#pragma once

#include <vector>

#include "formula_graph.hpp"
#include "lockstep/core/matrix.hpp"

namespace lockstep {

/// A formula's graph as instructions on registers that hold a block of elements each: values and slopes
/// (derivatives by x), so that derivatives come with the values (forward-mode differentiation). Conditions
/// hold two answers: for x itself, and for the branch left of x, which slopes follow.
class FormulaProgram {
 public:
  FormulaProgram(const FormulaGraph& graph, std::size_t root);

  template <class T>
  void evaluate(MatrixView<const T> z, MatrixView<T> a, MatrixView<T> slopes) const;

 private:
  /// Where an operand stands: in a register, in x, or in the instruction.
  struct Operand {
    enum class Kind { constant, x, reg };
    Kind kind = Kind::constant;
    std::size_t index = 0;  // of the register
    double constant = 0;
  };
  struct Instruction {
    FormulaOp op;
    Operand operands[3];
    FormulaFunction function;
    std::size_t target;  // register
  };
  template <class T>
  struct Registers;

  template <class T>
  void execute(const Instruction& instruction, const Registers<T>& registers) const;
  template <class T>
  void evaluate_block(const T* z, std::size_t length, T* a, T* slopes) const;

  std::vector<Instruction> instructions_;
  Operand result_;
  std::size_t registers_ = 0;
};

}  // namespace lockstep
