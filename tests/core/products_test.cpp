#include "lockstep/core/products.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

namespace lockstep {
namespace {

/// A matrix with its storage: rows lie `padding` elements farther apart than they are long, and the gaps hold
/// a mark that no product may touch.
template <class T>
struct Matrix {
  static constexpr T mark = T(-12345);
  std::size_t rows, columns, stride;
  std::vector<T> values;

  Matrix(std::size_t rows_, std::size_t columns_, std::size_t padding = 0)
      : rows(rows_), columns(columns_), stride(columns_ + padding), values(rows_ * stride, mark) {}

  T& operator()(std::size_t i, std::size_t j) { return values[i * stride + j]; }
  MatrixView<T> view() { return {values.data(), rows, columns, stride}; }
  MatrixView<const T> view() const { return {values.data(), rows, columns, stride}; }
};

template <class T>
Matrix<T> random_matrix(std::size_t rows, std::size_t columns, unsigned seed, std::size_t padding = 0) {
  Matrix<T> matrix(rows, columns, padding);
  std::mt19937 engine(seed);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      const double value = static_cast<double>(engine()) * 0x1p-31 - 1;
      matrix(i, j) = engine() % 8 == 0 ? T(0) : static_cast<T>(value);
    }
  }
  return matrix;
}

/// z = op(a) · op(b) by the definition: a chain of fused multiply-adds over the ascending inner index.
template <class T>
Matrix<T> defined_product(Matrix<T> a, bool transpose_a, Matrix<T> b, bool transpose_b,
                          std::size_t padding = 0) {
  const std::size_t inner = transpose_a ? a.rows : a.columns;
  Matrix<T> z(transpose_a ? a.columns : a.rows, transpose_b ? b.rows : b.columns, padding);
  for (std::size_t i = 0; i < z.rows; ++i) {
    for (std::size_t j = 0; j < z.columns; ++j) {
      T sum = T(0);
      for (std::size_t k = 0; k < inner; ++k) {
        sum = std::fma(transpose_a ? a(k, i) : a(i, k), transpose_b ? b(j, k) : b(k, j), sum);
      }
      z(i, j) = sum;
    }
  }
  return z;
}

/// The same bits; any NaN equals any NaN.
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (std::bit_cast<Bits>(a[i]) != std::bit_cast<Bits>(b[i])) return false;
  }
  return true;
}

template <class T>
void expect_defined_bits(Matrix<T> x, const Matrix<T>& w, const Matrix<T>& delta, std::size_t padding) {
  Matrix<T> z(x.rows, w.columns, padding);
  forward_product<T>(Arithmetic::exact, x.view(), w.view(), z.view());
  EXPECT_TRUE(same_bits(z.values, defined_product(x, false, w, false, padding).values)) << "forward";

  Matrix<T> dw(w.rows, w.columns, padding);
  weight_gradient_product<T>(Arithmetic::exact, x.view(), delta.view(), dw.view());
  EXPECT_TRUE(same_bits(dw.values, defined_product(x, true, delta, false, padding).values)) << "dw";

  Matrix<T> dx(x.rows, x.columns, padding);
  input_gradient_product<T>(Arithmetic::exact, delta.view(), w.view(), dx.view());
  EXPECT_TRUE(same_bits(dx.values, defined_product(delta, false, w, true, padding).values)) << "dx";
}

template <class T>
class ExactProducts : public ::testing::Test {};
using Precisions = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ExactProducts, Precisions);

TYPED_TEST(ExactProducts, EqualAScalarLoopBitForBitAtOddSizes) {
  const std::size_t all_rows[] = {0, 1, 3, 4, 7, 8, 11, 12, 13, 16, 17, 31, 33, 100};
  const std::size_t widths[][2] = {{1, 1},   {1, 3},   {3, 1},   {2, 8},    {17, 10},  {10, 17},  {31, 33},
                                   {33, 31}, {64, 32}, {32, 48}, {100, 95}, {129, 63}, {300, 130}};
  unsigned seed = 0;
  for (const std::size_t rows : all_rows) {
    for (const auto& [in, out] : widths) {
      SCOPED_TRACE(::testing::Message() << rows << " rows, " << in << " x " << out);
      for (const std::size_t padding : {0U, 5U}) {
        ++seed;
        expect_defined_bits(random_matrix<TypeParam>(rows, in, seed, padding),
                            random_matrix<TypeParam>(in, out, seed + 1000, padding),
                            random_matrix<TypeParam>(rows, out, seed + 2000, padding), padding);
      }
    }
  }
}

TYPED_TEST(ExactProducts, OfNoRowsGiveAZeroWeightGradient) {
  Matrix<TypeParam> x(0, 5), delta(0, 3), dw(5, 3);
  weight_gradient_product<TypeParam>(Arithmetic::exact, x.view(), delta.view(), dw.view());
  EXPECT_TRUE(same_bits(dw.values, std::vector<TypeParam>(15, TypeParam(0))));
}

TYPED_TEST(ExactProducts, RoundOnceAndKeepSpecialValues) {
  using T = TypeParam;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const std::vector<T> specials{T(0),
                                T(-0.0),
                                infinity,
                                -infinity,
                                std::numeric_limits<T>::quiet_NaN(),
                                std::numeric_limits<T>::denorm_min(),
                                std::numeric_limits<T>::min(),
                                std::numeric_limits<T>::max(),
                                -std::numeric_limits<T>::max(),
                                std::numeric_limits<T>::epsilon(),
                                T(1),
                                T(-1)};
  std::mt19937 engine(5);
  for (const std::size_t inner : {1U, 2U, 5U}) {
    for (int repeat = 0; repeat < 20; ++repeat) {
      Matrix<T> x(17, inner), w(inner, 45), delta(17, 45);
      for (Matrix<T>* matrix : {&x, &w, &delta}) {
        for (T& value : matrix->values) value = specials[engine() % specials.size()];
      }
      expect_defined_bits(x, w, delta, 0);
    }
  }
}

// What tells a fused multiply-add from a multiplication and an addition.
TYPED_TEST(ExactProducts, AreFused) {
  using T = TypeParam;
  constexpr T e = std::numeric_limits<T>::epsilon();
  for (const std::size_t columns : {1U, 9U, 40U}) {
    Matrix<T> x(1, 2), w(2, columns), z(1, columns);
    x(0, 0) = T(-1);
    x(0, 1) = T(1) + e;
    for (std::size_t j = 0; j < columns; ++j) {
      w(0, j) = T(1);
      w(1, j) = T(1) - e;
    }
    forward_product<T>(Arithmetic::exact, x.view(), w.view(), z.view());
    for (std::size_t j = 0; j < columns; ++j) EXPECT_EQ(z(0, j), -e * e);
  }
}

// Whatever rows stand beside it, a row's outputs have the same bits.
TYPED_TEST(ExactProducts, DoNotDependOnTheNumberOfRows) {
  using T = TypeParam;
  Matrix<T> x = random_matrix<T>(37, 50, 1);
  const Matrix<T> w = random_matrix<T>(50, 70, 2);
  Matrix<T> all(37, 70);
  forward_product<T>(Arithmetic::exact, x.view(), w.view(), all.view());
  for (std::size_t i = 0; i < 37; ++i) {
    Matrix<T> one(1, 70);
    forward_product<T>(Arithmetic::exact, MatrixView<const T>(x.view().row(i), 1, 50), w.view(), one.view());
    EXPECT_TRUE(same_bits(one.values, std::vector<T>(all.view().row(i), all.view().row(i) + 70)));
  }
}

template <class T>
class OpenBlasProducts : public ::testing::Test {
 protected:
  void SetUp() override { use_one_blas_thread(); }

  /// Within the error bound of a sum of `inner` products of numbers up to 1 (Higham, "Accuracy and stability
  /// of numerical algorithms", section 3.1), and gaps untouched.
  static void expect_near(const Matrix<T>& found, const Matrix<T>& expected, std::size_t inner) {
    const double bound = 2 * static_cast<double>((inner + 1) * inner) * std::numeric_limits<T>::epsilon();
    ASSERT_EQ(found.values.size(), expected.values.size());
    for (std::size_t i = 0; i < found.values.size(); ++i) {
      EXPECT_NEAR(found.values[i], expected.values[i], bound) << "element " << i;
    }
  }
};
TYPED_TEST_SUITE(OpenBlasProducts, Precisions);

TYPED_TEST(OpenBlasProducts, AgreeWithTheDefinedOnes) {
  using T = TypeParam;
  constexpr std::size_t padding = 3;
  for (const std::size_t rows : {1U, 5U, 16U, 33U}) {
    const Matrix<T> x = random_matrix<T>(rows, 31, 1, padding);
    const Matrix<T> w = random_matrix<T>(31, 18, 2, padding);
    const Matrix<T> delta = random_matrix<T>(rows, 18, 3, padding);
    Matrix<T> z(rows, 18, padding), dw(31, 18, padding), dx(rows, 31, padding);
    forward_product<T>(Arithmetic::openblas, x.view(), w.view(), z.view());
    weight_gradient_product<T>(Arithmetic::openblas, x.view(), delta.view(), dw.view());
    input_gradient_product<T>(Arithmetic::openblas, delta.view(), w.view(), dx.view());
    this->expect_near(z, defined_product(x, false, w, false, padding), 31);
    this->expect_near(dw, defined_product(x, true, delta, false, padding), rows);
    this->expect_near(dx, defined_product(delta, false, w, true, padding), 18);
  }
}

TYPED_TEST(OpenBlasProducts, OfNoRowsGiveAZeroWeightGradient) {
  Matrix<TypeParam> x(0, 5), delta(0, 3), dw(5, 3);
  weight_gradient_product<TypeParam>(Arithmetic::openblas, x.view(), delta.view(), dw.view());
  EXPECT_TRUE(same_bits(dw.values, std::vector<TypeParam>(15, TypeParam(0))));
}

TEST(BlasIdentity, NamesVersionAndCore) {
  const BlasIdentity identity = blas_identity();
  EXPECT_EQ(identity.version.find_first_not_of("0123456789.dev"), std::string::npos) << identity.version;
  EXPECT_NE(identity.version.find('.'), std::string::npos) << identity.version;
  EXPECT_FALSE(identity.core_name.empty());
}

}  // namespace
}  // namespace lockstep
