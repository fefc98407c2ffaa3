#include "formula_program.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lockstep/core/instruction_set.hpp"

namespace lockstep {
namespace {

/// Elements that an instruction works on at a time: the registers of a usual formula stay in the first-level
/// cache.
constexpr std::size_t block_elements = 256;

/// The slope of a constant. Nothing is computed with it, or 0 · inf would make a NaN of a finite slope.
struct Zero {};
template <class T>
Zero operator*(Zero, T) {
  return {};
}
template <class T>
Zero operator*(T, Zero) {
  return {};
}
template <class T>
T operator+(Zero, T b) {
  return b;
}
template <class T>
T operator+(T a, Zero) {
  return a;
}
template <class T>
T operator-(Zero, T b) {
  return -b;
}
template <class T>
T operator-(T a, Zero) {
  return a;
}

template <class T>
T number(Zero) {
  return T(0);
}
template <class T>
T number(T slope) {
  return slope;
}

/// One element of an operand: its value, and its slope as a number or Zero.
template <class T, class Slope>
struct Element {
  T value;
  Slope slope;
};

/// Operands as loops read them.
template <class T>
struct Varying {
  const T* values;
  const T* slopes;
  Element<T, T> operator[](std::size_t i) const { return {values[i], slopes[i]}; }
};
template <class T>
struct Fixed {
  T value;
  Element<T, Zero> operator[](std::size_t) const { return {value, {}}; }
};

template <class T>
constexpr T nan = std::numeric_limits<T>::quiet_NaN();

// The operations on one element: value, and slope by the rules of calculus. Where both sides of a choice are
// equal, the slopes say which one it is on the left.

struct Add {
  template <class T, class A, class B>
  ValueAndSlope<T> operator()(Element<T, A> a, Element<T, B> b) const {
    return {a.value + b.value, number<T>(a.slope + b.slope)};
  }
};
struct Subtract {
  template <class T, class A, class B>
  ValueAndSlope<T> operator()(Element<T, A> a, Element<T, B> b) const {
    return {a.value - b.value, number<T>(a.slope - b.slope)};
  }
};
struct Multiply {
  template <class T, class A, class B>
  ValueAndSlope<T> operator()(Element<T, A> a, Element<T, B> b) const {
    return {a.value * b.value, number<T>(a.slope * b.value + a.value * b.slope)};
  }
};
struct Divide {
  template <class T, class A, class B>
  ValueAndSlope<T> operator()(Element<T, A> a, Element<T, B> b) const {
    const T quotient = a.value / b.value;
    return {quotient, number<T>(a.slope - quotient * b.slope) / b.value};
  }
};
struct Minimum {
  template <class T, class A, class B>
  ValueAndSlope<T> operator()(Element<T, A> a, Element<T, B> b) const {
    const T s = number<T>(a.slope), t = number<T>(b.slope);
    const T value = a.value < b.value ? a.value : (b.value <= a.value ? b.value : nan<T>);
    return {value, a.value < b.value ? s : (b.value < a.value ? t : (s > t ? s : t))};
  }
};
struct Maximum {
  template <class T, class A, class B>
  ValueAndSlope<T> operator()(Element<T, A> a, Element<T, B> b) const {
    const T s = number<T>(a.slope), t = number<T>(b.slope);
    const T value = a.value > b.value ? a.value : (b.value >= a.value ? b.value : nan<T>);
    return {value, a.value > b.value ? s : (b.value > a.value ? t : (s < t ? s : t))};
  }
};
struct Negate {
  template <class T>
  ValueAndSlope<T> operator()(Element<T, T> a) const {
    return {-a.value, -a.slope};
  }
};
struct Absolute {
  template <class T>
  ValueAndSlope<T> operator()(Element<T, T> a) const {
    return {std::abs(a.value), a.value > T(0) ? a.slope : (a.value < T(0) ? -a.slope : -std::abs(a.slope))};
  }
};

// Conditions: the answer for x in place of the value, that for the left of x in place of the slope. At equal
// sides the one with the larger slope is the smaller one on the left.

struct Less {
  template <class T, class A, class B>
  ValueAndSlope<T> operator()(Element<T, A> a, Element<T, B> b) const {
    const T here = a.value < b.value ? T(1) : (a.value >= b.value ? T(0) : nan<T>);
    const bool left = number<T>(a.slope) > number<T>(b.slope);
    return {here, a.value == b.value ? (left ? T(1) : T(0)) : here};
  }
};
struct LessEqual {
  template <class T, class A, class B>
  ValueAndSlope<T> operator()(Element<T, A> a, Element<T, B> b) const {
    const T here = a.value <= b.value ? T(1) : (a.value > b.value ? T(0) : nan<T>);
    const bool left = number<T>(a.slope) >= number<T>(b.slope);
    return {here, a.value == b.value ? (left ? T(1) : T(0)) : here};
  }
};
struct Equal {
  template <class T, class A, class B>
  ValueAndSlope<T> operator()(Element<T, A> a, Element<T, B> b) const {
    const T here = a.value == b.value ? T(1) : (a.value < b.value || a.value > b.value ? T(0) : nan<T>);
    const bool left = number<T>(a.slope) == number<T>(b.slope);
    return {here, a.value == b.value ? (left ? T(1) : T(0)) : here};
  }
};
struct And {
  template <class T>
  ValueAndSlope<T> operator()(Element<T, T> a, Element<T, T> b) const {
    return {a.value * b.value, a.slope * b.slope};
  }
};
struct Or {
  template <class T>
  ValueAndSlope<T> operator()(Element<T, T> a, Element<T, T> b) const {
    return {a.value + b.value - a.value * b.value, a.slope + b.slope - a.slope * b.slope};
  }
};
struct Not {
  template <class T>
  ValueAndSlope<T> operator()(Element<T, T> a) const {
    return {T(1) - a.value, T(1) - a.slope};
  }
};
struct Select {
  template <class T, class A, class B>
  ValueAndSlope<T> operator()(Element<T, T> condition, Element<T, A> a, Element<T, B> b) const {
    const T s = number<T>(a.slope), t = number<T>(b.slope);
    return {condition.value == T(1) ? a.value : (condition.value == T(0) ? b.value : nan<T>),
            condition.slope == T(1) ? s : (condition.slope == T(0) ? t : nan<T>)};
  }
};

/// Values and slopes that an instruction writes.
template <class T>
struct Target {
  T* values;
  T* slopes;
  std::size_t length;
};

template <class T, class Op, class... Operands>
void loop(const Target<T>& target, const Op& op, const Operands&... operands) {
  run_vectorized([&](auto) {
    const Target<T> to = target;
    [&](const Operands... own) {
#pragma omp simd
      for (std::size_t i = 0; i < to.length; ++i) {
        const ValueAndSlope<T> result = op(own[i]...);
        to.values[i] = result.value;
        to.slopes[i] = result.slope;
      }
    }(operands...);
  });
}

}  // namespace

template <class T>
struct FormulaProgram::Registers {
  const T* x;         // (length)
  const T* x_slopes;  // ones
  T* memory;          // (registers, 2, block_elements)
  std::size_t length;

  Target<T> target(std::size_t index) const {
    T* const values = memory + index * 2 * block_elements;
    return {values, values + block_elements, length};
  }
  Varying<T> varying(const Operand& operand) const {
    if (operand.kind == Operand::Kind::x) return {x, x_slopes};
    const Target<T> t = target(operand.index);
    return {t.values, t.slopes};
  }
  static Fixed<T> fixed(const Operand& operand) { return {static_cast<T>(operand.constant)}; }
  static bool is_fixed(const Operand& operand) { return operand.kind == Operand::Kind::constant; }
};

namespace {

/// op on two operands of which one may be constant.
template <class T, class Registers, class Operand, class Op>
void binary(const Registers& registers, const Target<T>& target, const Operand (&operands)[3], const Op& op) {
  const auto& [a, b, c] = operands;
  if (registers.is_fixed(a)) {
    loop(target, op, registers.fixed(a), registers.varying(b));
  } else if (registers.is_fixed(b)) {
    loop(target, op, registers.varying(a), registers.fixed(b));
  } else {
    loop(target, op, registers.varying(a), registers.varying(b));
  }
}

template <class T, class Registers, class Operand>
void select(const Registers& registers, const Target<T>& target, const Operand (&operands)[3]) {
  const auto& [condition, a, b] = operands;
  const Varying<T> mask = registers.varying(condition);
  const Select op;
  if (registers.is_fixed(a) && registers.is_fixed(b)) {
    loop(target, op, mask, registers.fixed(a), registers.fixed(b));
  } else if (registers.is_fixed(a)) {
    loop(target, op, mask, registers.fixed(a), registers.varying(b));
  } else if (registers.is_fixed(b)) {
    loop(target, op, mask, registers.varying(a), registers.fixed(b));
  } else {
    loop(target, op, mask, registers.varying(a), registers.varying(b));
  }
}

const Kernels<float>& kernels(const FormulaFunction& function, float) {
  return *function.in_float;
}
const Kernels<double>& kernels(const FormulaFunction& function, double) {
  return *function.in_double;
}

/// f(u) and, by the chain rule, f'(u) · u'.
template <class T>
void call(const FormulaFunction& function, const Varying<T>& u, bool u_is_x, const Target<T>& target) {
  const MatrixView<const T> z(u.values, 1, target.length);
  const MatrixView<T> slopes(target.slopes, 1, target.length);
  if (u_is_x) {
    kernels(function, T{})
        .forward_with_slopes(function.parameter, z, {target.values, 1, target.length}, slopes);
    return;
  }
  alignas(64) T own_slopes[block_elements];
  kernels(function, T{})
      .forward_with_slopes(function.parameter, z, {target.values, 1, target.length},
                           {own_slopes, 1, target.length});
  run_vectorized([&](auto) {
    const T* const inner = u.slopes;
    T* const to = target.slopes;
    for (std::size_t i = 0; i < target.length; ++i) to[i] = own_slopes[i] * inner[i];
  });
}

}  // namespace

template <class T>
void FormulaProgram::execute(const Instruction& instruction, const Registers<T>& registers) const {
  const Target<T> target = registers.target(instruction.target);
  const auto& operands = instruction.operands;
  switch (instruction.op) {
    case FormulaOp::function:
      return call(instruction.function, registers.varying(operands[0]), operands[0].kind == Operand::Kind::x,
                  target);
    case FormulaOp::add:
      return binary(registers, target, operands, Add{});
    case FormulaOp::subtract:
      return binary(registers, target, operands, Subtract{});
    case FormulaOp::multiply:
      return binary(registers, target, operands, Multiply{});
    case FormulaOp::divide:
      return binary(registers, target, operands, Divide{});
    case FormulaOp::minimum:
      return binary(registers, target, operands, Minimum{});
    case FormulaOp::maximum:
      return binary(registers, target, operands, Maximum{});
    case FormulaOp::negate:
      return loop(target, Negate{}, registers.varying(operands[0]));
    case FormulaOp::absolute:
      return loop(target, Absolute{}, registers.varying(operands[0]));
    case FormulaOp::less:
      return binary(registers, target, operands, Less{});
    case FormulaOp::less_equal:
      return binary(registers, target, operands, LessEqual{});
    case FormulaOp::equal:
      return binary(registers, target, operands, Equal{});
    case FormulaOp::logical_and:
      return loop(target, And{}, registers.varying(operands[0]), registers.varying(operands[1]));
    case FormulaOp::logical_or:
      return loop(target, Or{}, registers.varying(operands[0]), registers.varying(operands[1]));
    case FormulaOp::logical_not:
      return loop(target, Not{}, registers.varying(operands[0]));
    case FormulaOp::select:
      return select(registers, target, operands);
    case FormulaOp::constant:
    case FormulaOp::x:
      break;
  }
}

FormulaProgram::FormulaProgram(const FormulaGraph& graph, std::size_t root) {
  const std::vector<FormulaNode>& nodes = graph.nodes();
  std::vector<std::size_t> last_use(nodes.size(), 0);  // the last node that reads a node; 0: none that counts
  last_use[root] = nodes.size();
  for (std::size_t n = root + 1; n-- > 0;) {
    if (last_use[n] == 0) continue;
    for (std::size_t i = 0; i < operand_count(nodes[n].op); ++i) {
      std::size_t& last = last_use[nodes[n].operands[i]];
      last = std::max(last, n);
    }
  }
  std::vector<Operand> places(nodes.size());
  std::vector<std::size_t> free;
  for (std::size_t n = 0; n <= root; ++n) {
    const FormulaNode& node = nodes[n];
    if (last_use[n] == 0) continue;
    if (node.op == FormulaOp::constant) {
      places[n] = {Operand::Kind::constant, 0, node.constant};
    } else if (node.op == FormulaOp::x) {
      places[n] = {Operand::Kind::x, 0, 0};
    } else {
      if (free.empty()) free.push_back(registers_++);
      Instruction instruction{node.op, {}, node.function, free.back()};
      free.pop_back();
      places[n] = {Operand::Kind::reg, instruction.target, 0};
      for (std::size_t i = 0; i < operand_count(node.op); ++i)
        instruction.operands[i] = places[node.operands[i]];
      instructions_.push_back(instruction);
      // Registers that are read for the last time here are free behind this instruction.
      for (std::size_t m = 0; m < n; ++m) {
        if (last_use[m] == n && places[m].kind == Operand::Kind::reg) free.push_back(places[m].index);
      }
    }
  }
  result_ = places[root];
}

template <class T>
void FormulaProgram::evaluate_block(const T* z, std::size_t length, T* a, T* slopes) const {
  static const std::vector<T> ones(block_elements, T(1));
  thread_local std::vector<T> memory;
  memory.resize(std::max(memory.size(), registers_ * 2 * block_elements));
  const Registers<T> registers{z, ones.data(), memory.data(), length};
  for (const Instruction& instruction : instructions_) execute(instruction, registers);
  const Varying<T> result = registers.varying(result_);
  std::copy_n(result.slopes, length, slopes);
  if (result.values != a) std::copy_n(result.values, length, a);
}

template <class T>
void FormulaProgram::evaluate(MatrixView<const T> z, MatrixView<T> a, MatrixView<T> slopes) const {
  const bool dense = z.stride == z.columns && a.stride == a.columns && slopes.stride == slopes.columns;
  if (dense && z.rows > 1) {
    const std::size_t elements = z.rows * z.columns;
    return evaluate<T>({z.data, 1, elements}, {a.data, 1, elements}, {slopes.data, 1, elements});
  }
  for (std::size_t i = 0; i < z.rows; ++i) {
    for (std::size_t begin = 0; begin < z.columns; begin += block_elements) {
      const std::size_t length = std::min(block_elements, z.columns - begin);
      evaluate_block(z.row(i) + begin, length, a.row(i) + begin, slopes.row(i) + begin);
    }
  }
}

template void FormulaProgram::evaluate(MatrixView<const float>, MatrixView<float>, MatrixView<float>) const;
template void FormulaProgram::evaluate(MatrixView<const double>, MatrixView<double>,
                                       MatrixView<double>) const;

}  // namespace lockstep
