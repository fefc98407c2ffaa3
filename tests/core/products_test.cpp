#include "lockstep/core/products.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/sparse_matrix.hpp"

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

/// All rows of a matrix as one micro-batch.
template <class T>
std::array<Range, 1> one_batch(const Matrix<T>& matrix) {
  return {Range{0, matrix.rows}};
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
  forward_product<T>(Arithmetic::exact, x.view(), w.view(), one_batch(x), z.view());
  EXPECT_TRUE(same_bits(z.values, defined_product(x, false, w, false, padding).values)) << "forward";

  Matrix<T> dw(w.rows, w.columns, padding);
  weight_gradient_product<T>(Arithmetic::exact, x.view(), delta.view(), one_batch(x), dw.view());
  EXPECT_TRUE(same_bits(dw.values, defined_product(x, true, delta, false, padding).values)) << "dw";

  Matrix<T> dx(x.rows, x.columns, padding);
  input_gradient_product<T>(Arithmetic::exact, delta.view(), w.view(), one_batch(delta), dx.view());
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

// More of the inner index than is taken at a time, and more of the right factor, whose rows are copied where
// they are a page or more apart.
TYPED_TEST(ExactProducts, EqualAScalarLoopBitForBitInBlocks) {
  for (const auto& [rows, in, out] :
       {std::array{20U, 600U, 300U}, std::array{700U, 523U, 277U}, std::array{20U, 300U, 1088U},
        std::array{40U, 300U, 1088U}, std::array{40U, 1088U, 90U}}) {
    SCOPED_TRACE(::testing::Message() << rows << " rows, " << in << " x " << out);
    expect_defined_bits(random_matrix<TypeParam>(rows, in, 1, 3), random_matrix<TypeParam>(in, out, 2, 3),
                        random_matrix<TypeParam>(rows, out, 3, 3), 3);
  }
}

TYPED_TEST(ExactProducts, OfNoRowsGiveAZeroWeightGradient) {
  Matrix<TypeParam> x(0, 5), delta(0, 3), dw(5, 3);
  weight_gradient_product<TypeParam>(Arithmetic::exact, x.view(), delta.view(), one_batch(x), dw.view());
  EXPECT_TRUE(same_bits(dw.values, std::vector<TypeParam>(15, TypeParam(0))));
}

/// The tree sum over micro-batches as core/summation_tree.hpp defines it.
template <class T>
Matrix<T> defined_weight_gradient(const Matrix<T>& x, const Matrix<T>& delta,
                                  std::span<const Range> micro_batches) {
  if (micro_batches.size() == 1) {
    Matrix<T> x_rows(micro_batches[0].size(), x.columns), delta_rows(micro_batches[0].size(), delta.columns);
    for (std::size_t i = 0; i < x_rows.rows; ++i) {
      std::copy_n(x.view().row(micro_batches[0].begin + i), x.columns, x_rows.view().row(i));
      std::copy_n(delta.view().row(micro_batches[0].begin + i), delta.columns, delta_rows.view().row(i));
    }
    return defined_product(x_rows, true, delta_rows, false);
  }
  const std::size_t half = std::bit_floor(micro_batches.size() - 1);
  Matrix<T> sum = defined_weight_gradient(x, delta, micro_batches.first(half));
  const Matrix<T> rest = defined_weight_gradient(x, delta, micro_batches.subspan(half));
  for (std::size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += rest.values[i];
  return sum;
}

TYPED_TEST(ExactProducts, AddMicroBatchesOverTheTree) {
  for (std::size_t count = 1; count <= 9; ++count) {
    for (const std::size_t out : {10U, 40U}) {
      const Matrix<TypeParam> x = random_matrix<TypeParam>(37, 21, 1),
                              delta = random_matrix<TypeParam>(37, out, 2);
      std::vector<Range> micro_batches;  // the last ones may be empty
      for (std::size_t i = 0; i < count; ++i)
        micro_batches.push_back({std::min(37UL, 6 * i), std::min(37UL, 6 * (i + 1))});
      Matrix<TypeParam> dw(21, out);
      weight_gradient_product<TypeParam>(Arithmetic::exact, x.view(), delta.view(), micro_batches, dw.view());
      EXPECT_TRUE(same_bits(dw.values,
                            defined_weight_gradient(x, delta, std::span<const Range>(micro_batches)).values))
          << count << " micro-batches";
    }
  }
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

/// Products with and without knowledge of where x is zero.
template <class T>
void expect_same_bits_without_zeros(Matrix<T>& x, const Matrix<T>& w, const Matrix<T>& delta,
                                    std::span<const Range> micro_batches) {
  const testing::SparseMatrix<T> sparse(x.view());
  Matrix<T> z(x.rows, w.columns), z_sparse(x.rows, w.columns);
  forward_product<T>(Arithmetic::exact, x.view(), w.view(), micro_batches, z.view());
  forward_product<T>(Arithmetic::exact, sparse.rows(), w.view(), micro_batches, z_sparse.view());
  EXPECT_TRUE(same_bits(z_sparse.values, z.values)) << "forward";
  const std::size_t in = w.rows;
  for (const Range some :
       {Range{0, in}, Range{in / 3, in}, Range{in / 2, in - in / 5}, Range{in / 2, in / 2 + 1}}) {
    Matrix<T> dw(some.size(), w.columns), dw_sparse(some.size(), w.columns);
    weight_gradient_product<T>(Arithmetic::exact, x.view().columns_of(some), delta.view(), micro_batches,
                               dw.view());
    weight_gradient_product<T>(Arithmetic::exact, sparse.rows().columns_of(some), delta.view(), micro_batches,
                               dw_sparse.view());
    EXPECT_TRUE(same_bits(dw_sparse.values, dw.values))
        << "dw of inputs " << some.begin << " to " << some.end;
  }
}

TYPED_TEST(ExactProducts, WithoutZerosHaveTheSameBits) {
  using T = TypeParam;
  std::mt19937 engine(3);
  for (const std::size_t out : {1U, 10U, 16U, 33U, 130U, 200U}) {
    for (const std::size_t in : {1U, 50U, 113U, 300U}) {
      Matrix<T> x(77, in);
      for (T& value : x.values)
        value =
            engine() % 5 == 0 ? static_cast<T>(engine() % 256) / T(255) : T(engine() % 2 == 0 ? 0.0 : -0.0);
      expect_same_bits_without_zeros<T>(x, random_matrix<T>(in, out, 1), random_matrix<T>(77, out, 2),
                                        std::vector<Range>{{0, 16}, {16, 32}, {32, 32}, {32, 70}, {70, 77}});
    }
  }
  // More inputs than a block has, which are 224 at most.
  for (const std::size_t out : {1U, 10U, 33U}) {
    Matrix<T> x(5, 1800);
    for (T& value : x.values) value = engine() % 5 == 0 ? static_cast<T>(engine() % 256) / T(255) : T(0);
    expect_same_bits_without_zeros<T>(x, random_matrix<T>(1800, out, 1), random_matrix<T>(5, out, 2),
                                      std::vector<Range>{{0, 3}, {3, 5}});
  }
  // As many rows as words have bits, and micro-batches without rows at the end.
  for (const std::size_t rows : {32U, 64U, 96U}) {
    Matrix<T> x(rows, 31);
    for (T& value : x.values) value = engine() % 5 == 0 ? static_cast<T>(engine() % 256) / T(255) : T(0);
    expect_same_bits_without_zeros<T>(x, random_matrix<T>(31, 33, 1), random_matrix<T>(rows, 33, 2),
                                      std::vector<Range>{{0, 31}, {31, rows}, {rows, rows}, {rows, rows}});
  }
}

// Inputs that are zero in all rows, as at the borders of pictures: some, the first, the last, all.
TYPED_TEST(ExactProducts, WithoutEmptyColumnsHaveTheSameBits) {
  using T = TypeParam;
  constexpr std::size_t columns = 300;
  const std::vector<Range> micro_batches{{0, 10}, {10, 13}};
  std::mt19937 engine(4);
  for (const Range some : {Range{0, columns}, Range{7, 290}, Range{0, 1}, Range{299, columns}, Range{0, 0}}) {
    Matrix<T> x(13, columns), w = random_matrix<T>(columns, 21, 1);
    const Matrix<T> delta = random_matrix<T>(13, 21, 2);
    for (std::size_t k = some.begin; k < some.end; ++k) {
      if (engine() % 3 == 0) continue;
      for (std::size_t i = 0; i < x.rows; ++i) x(i, k) = engine() % 4 == 0 ? T(0.5) : T(0);
    }
    expect_same_bits_without_zeros<T>(x, w, delta, micro_batches);
    for (const std::size_t k : {0U, 150U, 299U}) {
      const T before = std::exchange(w(k, 20), std::numeric_limits<T>::infinity());
      expect_same_bits_without_zeros<T>(x, w, delta, micro_batches);
      w(k, 20) = before;
    }
  }
}

// Zeros that are left out must not hide an infinite weight, nor leave a −0 that adding +0 would turn into +0.
TYPED_TEST(ExactProducts, WithoutZerosKeepSpecialValues) {
  using T = TypeParam;
  constexpr T infinity = std::numeric_limits<T>::infinity(), floor = NonZeroIndex::exact_product_floor<T>;
  constexpr T least = static_cast<T>(NonZeroIndex::least_magnitude);
  const std::vector<T> regular{T(0),
                               T(-0.0),
                               floor,
                               -floor,
                               T(1),
                               T(-1),
                               std::numeric_limits<T>::max(),
                               floor * (1 + std::numeric_limits<T>::epsilon())};
  std::vector<T> special = regular;
  special.insert(special.end(),
                 {infinity, -infinity, std::numeric_limits<T>::quiet_NaN(), floor / 2,
                  std::numeric_limits<T>::denorm_min(), -std::numeric_limits<T>::denorm_min()});
  const std::vector<T> inputs{
      T(0), T(0), T(0), least, -least, least * (1 + std::numeric_limits<T>::epsilon()), T(1), T(-1)};
  std::mt19937 engine(7);
  // Small enough that sums round to −0 where zeros are left out.
  const T least_of_all = std::numeric_limits<T>::denorm_min();
  const std::vector<T> small{T(0),     least_of_all, -least_of_all, -4 * least_of_all, -least_of_all / least,
                             floor / 2};
  for (const std::vector<T>& values : {regular, special, small}) {
    for (int repeat = 0; repeat < 60; ++repeat) {
      Matrix<T> x(9, 6), w(6, 40), delta(9, 40);
      for (T& value : x.values) value = inputs[engine() % inputs.size()];
      for (Matrix<T>* matrix : {&w, &delta}) {
        for (T& value : matrix->values) value = values[engine() % values.size()];
      }
      expect_same_bits_without_zeros<T>(x, w, delta, std::vector<Range>{{0, 4}, {4, 5}, {5, 9}});
      expect_same_bits_without_zeros<T>(x, w, delta, std::vector<Range>{{0, 0}, {0, 4}, {4, 4}, {4, 9}});
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
    forward_product<T>(Arithmetic::exact, x.view(), w.view(), one_batch(x), z.view());
    for (std::size_t j = 0; j < columns; ++j) EXPECT_EQ(z(0, j), -e * e);
  }
}

// Whatever rows stand beside it, a row's outputs have the same bits.
TYPED_TEST(ExactProducts, DoNotDependOnTheNumberOfRows) {
  using T = TypeParam;
  Matrix<T> x = random_matrix<T>(37, 50, 1);
  const Matrix<T> w = random_matrix<T>(50, 70, 2);
  Matrix<T> all(37, 70);
  forward_product<T>(Arithmetic::exact, x.view(), w.view(), one_batch(x), all.view());
  for (std::size_t i = 0; i < 37; ++i) {
    Matrix<T> one(1, 70);
    forward_product<T>(Arithmetic::exact, MatrixView<const T>(x.view().row(i), 1, 50), w.view(),
                       std::array{Range{0, 1}}, one.view());
    EXPECT_TRUE(same_bits(one.values, std::vector<T>(all.view().row(i), all.view().row(i) + 70)));
  }
}

template <class T>
class OpenBlasProducts : public ::testing::Test {
 protected:
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
    forward_product<T>(Arithmetic::openblas, x.view(), w.view(), one_batch(x), z.view());
    weight_gradient_product<T>(Arithmetic::openblas, x.view(), delta.view(), one_batch(x), dw.view());
    input_gradient_product<T>(Arithmetic::openblas, delta.view(), w.view(), one_batch(delta), dx.view());
    this->expect_near(z, defined_product(x, false, w, false, padding), 31);
    this->expect_near(dw, defined_product(x, true, delta, false, padding), rows);
    this->expect_near(dx, defined_product(delta, false, w, true, padding), 18);
  }
}

// Whatever micro-batches stand beside it, a micro-batch's results have the same bits.
TYPED_TEST(OpenBlasProducts, ComputeEachMicroBatchByItself) {
  using T = TypeParam;
  const std::vector<Range> micro_batches{{0, 7}, {7, 7}, {7, 13}};
  const Matrix<T> x = random_matrix<T>(13, 31, 1), w = random_matrix<T>(31, 18, 2),
                  delta = random_matrix<T>(13, 18, 3);
  Matrix<T> z(13, 18), dw(31, 18), dx(13, 31), dw_sum(31, 18), dw_last(31, 18);
  forward_product<T>(Arithmetic::openblas, x.view(), w.view(), micro_batches, z.view());
  weight_gradient_product<T>(Arithmetic::openblas, x.view(), delta.view(), micro_batches, dw.view());
  input_gradient_product<T>(Arithmetic::openblas, delta.view(), w.view(), micro_batches, dx.view());
  for (const Range& rows : {micro_batches[0], micro_batches[2]}) {
    const std::array<Range, 1> alone{Range{0, rows.size()}};
    Matrix<T> z_alone(rows.size(), 18), dx_alone(rows.size(), 31);
    forward_product<T>(Arithmetic::openblas, x.view().rows_of(rows), w.view(), alone, z_alone.view());
    weight_gradient_product<T>(Arithmetic::openblas, x.view().rows_of(rows), delta.view().rows_of(rows),
                               alone, rows.begin == 0 ? dw_sum.view() : dw_last.view());
    input_gradient_product<T>(Arithmetic::openblas, delta.view().rows_of(rows), w.view(), alone,
                              dx_alone.view());
    EXPECT_TRUE(std::equal(z_alone.values.begin(), z_alone.values.end(), z.view().row(rows.begin)));
    EXPECT_TRUE(std::equal(dx_alone.values.begin(), dx_alone.values.end(), dx.view().row(rows.begin)));
  }
  for (std::size_t i = 0; i < dw.values.size(); ++i)
    EXPECT_EQ(dw.values[i], dw_sum.values[i] + dw_last.values[i]);
}

TYPED_TEST(OpenBlasProducts, OfNoRowsGiveAZeroWeightGradient) {
  Matrix<TypeParam> x(0, 5), delta(0, 3), dw(5, 3);
  weight_gradient_product<TypeParam>(Arithmetic::openblas, x.view(), delta.view(), one_batch(x), dw.view());
  EXPECT_TRUE(same_bits(dw.values, std::vector<TypeParam>(15, TypeParam(0))));
}

TEST(BlasIdentity, NamesVersionAndCore) {
  const BlasIdentity identity = blas_identity();
  EXPECT_EQ(identity.version.find_first_not_of("0123456789.dev"), std::string::npos) << identity.version;
  EXPECT_NE(identity.version.find('.'), std::string::npos) << identity.version;
  EXPECT_FALSE(identity.core_name.empty());
  EXPECT_EQ(identity.threads, 1);
}

}  // namespace
}  // namespace lockstep
