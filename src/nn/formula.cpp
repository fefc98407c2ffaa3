#include "lockstep/nn/formula.hpp"

#include "formula_parser.hpp"
#include "formula_program.hpp"

namespace lockstep {

Formula::Formula(std::string_view text) {
  ParsedFormula parsed = parse_formula(text);
  text_ = std::move(parsed.text);
  program_ = std::make_shared<const FormulaProgram>(parsed.graph, parsed.root);
}

template <class T>
void Formula::evaluate(MatrixView<const T> z, MatrixView<T> a, MatrixView<T> slopes) const {
  program_->evaluate(z, a, slopes);
}

template void Formula::evaluate(MatrixView<const float>, MatrixView<float>, MatrixView<float>) const;
template void Formula::evaluate(MatrixView<const double>, MatrixView<double>, MatrixView<double>) const;

std::vector<std::string> formula_function_list() {
  return formula_names();
}

}  // namespace lockstep
