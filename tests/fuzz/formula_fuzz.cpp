#include <vector>

#include "input_file.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/nn/formula.hpp"

/// Formulas: refused with a UserError, or computed in both precisions, and their text is that of the same
/// formula.
namespace {

template <class T>
void evaluate(const lockstep::Formula& formula) {
  std::vector<T> z{-1000, -1.5, -0.0, 0, 1e-30, 1, 2.5, 700}, a(z.size()), slopes(z.size());
  formula.evaluate<T>({z.data(), 1, z.size()}, {a.data(), 1, a.size()}, {slopes.data(), 1, slopes.size()});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lockstep;
  try {
    const Formula formula(text_of(data, size));
    evaluate<float>(formula);
    evaluate<double>(formula);
    if (Formula(formula.text()).text() != formula.text()) std::abort();
  } catch (const UserError&) {
    // refused
  }
  return 0;
}
