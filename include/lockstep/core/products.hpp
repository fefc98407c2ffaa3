#pragma once

#include <span>
#include <string>

#include "lockstep/core/matrix.hpp"
#include "lockstep/core/sparse_rows.hpp"

/// The three matrix products of a training step, in one of two arithmetics. This is the only seam between
/// them.
namespace lockstep {

/// How the products of a step are computed.
///  - openblas: OpenBLAS gemm, one thread, loaded when first used. Bits depend on OpenBLAS's version and
///    kernel set.
///  - exact: every output element is the chain of fused multiply-adds over the inner index in
///    ascending order, starting from +0, one rounding each. Bits are the same on every machine with
///    IEEE 754 arithmetic.
enum class Arithmetic { openblas, exact };

/// The rows of each micro-batch in a matrix whose rows are those of several, one after the other and without
/// gaps; micro-batches may be empty. Neither a row's result nor a micro-batch's gradient depends on what
/// stands beside it: openblas, whose bits depend on the number of rows, computes each by itself.
using MicroBatches = std::span<const Range>;

/// Forward: z = x · w.   x: (rows, in), w: (in, out), z: (rows, out), overwritten. Rows may leave out zeros
/// with `exact` only, if a NonZeroIndex says where they are: the bits are the same. is_finite: no element of
/// w is infinite or NaN; otherwise this is looked at where zeros are left out.
template <class T>
void forward_product(Arithmetic arithmetic, const SparseRows<T>& x, MatrixView<const T> w,
                     MicroBatches micro_batches, MatrixView<T> z, bool is_finite = false);

/// Weight gradient: dw = Σ xᵀ · delta, the tree sum (core/summation_tree.hpp) over the micro-batches of each
/// one's product.   x: (rows, in), delta: (rows, out), dw: (in, out), overwritten. An empty micro-batch adds
/// zeros. Rows of x may leave out zeros as in forward_product.
template <class T>
void weight_gradient_product(Arithmetic arithmetic, const SparseRows<T>& x, MatrixView<const T> delta,
                             MicroBatches micro_batches, MatrixView<T> dw);

/// Input gradient: dx = delta · wᵀ.   delta: (rows, out), w: (in, out), dx: (rows, in), overwritten.
template <class T>
void input_gradient_product(Arithmetic arithmetic, MatrixView<const T> delta, MatrixView<const T> w,
                            MicroBatches micro_batches, MatrixView<T> dx);

/// OpenBLAS as it runs here: version and core name, on which the bits of `openblas` depend.
struct BlasIdentity {
  std::string version;    // e.g. "0.3.21"
  std::string core_name;  // e.g. "SkylakeX"
  int threads = 0;        // that a product of one rank uses
};
/// Throws std::runtime_error where there is no OpenBLAS.
BlasIdentity blas_identity();

}  // namespace lockstep
