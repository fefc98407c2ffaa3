// The products of a training step, at the shapes of a shard's or a rank's rows. Names:
//
//   forward | weight_gradient | input_gradient / exact | exact_sparse | openblas / rows x inputs x outputs
//
// and the rows of a micro-batch where there are several. FLOP/s count 2 · rows · inputs · outputs, skipped
// zeros too. scripts/bench/peaks.py reads those of one micro-batch.

#include "lockstep/core/products.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/numbers.hpp"
#include "bench/run.hpp"
#include "core/sparse_matrix.hpp"

namespace lockstep::bench {
namespace {

struct Shape {
  std::size_t rows, inputs, outputs, micro_batch_rows;

  std::string text() const {
    const std::string size =
        std::to_string(rows) + "x" + std::to_string(inputs) + "x" + std::to_string(outputs);
    return rows == micro_batch_rows ? size : size + "/by_" + std::to_string(micro_batch_rows);
  }
};

constexpr Shape shapes[] = {
    // 784-128-64-10 on two ranks, batch 32
    {16, 784, 128, 4},
    {16, 128, 64, 4},
    // layers of 512, batch 128: a shard, two ranks, one rank
    {16, 784, 512, 16},
    {64, 784, 512, 64},
    {64, 784, 512, 16},
    {128, 784, 512, 128},
    {128, 784, 512, 16},
    {16, 512, 512, 16},
    {64, 512, 512, 64},
    {64, 512, 512, 16},
    {128, 512, 512, 128},
    {64, 512, 10, 16},
    // layers of 2048, batch 1024: a shard, two ranks
    {128, 784, 2048, 128},
    {128, 2048, 2048, 128},
    {512, 2048, 2048, 512},
    {512, 2048, 2048, 128},
};

constexpr std::size_t image_width = 28, image_inputs = image_width * image_width;

/// Leaves numbers in one run of five or six of every 28: as in MNIST, 19 % are not zero, and they are
/// neighbours.
void set_most_to_zero(MatrixView<float> x) {
  std::mt19937 engine(1);
  for (std::size_t i = 0; i < x.rows; ++i) {
    for (std::size_t j = 0; j < x.columns; j += image_width) {
      const std::size_t length = 5 + engine() % 2, begin = engine() % (image_width - length);
      std::fill_n(x.row(i) + j, begin, 0.0F);
      std::fill_n(x.row(i) + j + begin + length, image_width - begin - length, 0.0F);
    }
  }
}

struct Layer {
  Numbers x, w, delta, dw;
  std::optional<testing::SparseMatrix<float>> without_zeros;
  std::vector<Range> micro_batches;

  Layer(const Shape& shape, bool sparse)
      : x(shape.rows, shape.inputs),
        w(shape.inputs, shape.outputs),
        delta(shape.rows, shape.outputs),
        dw(shape.inputs, shape.outputs) {
    for (std::size_t begin = 0; begin < shape.rows; begin += shape.micro_batch_rows) {
      micro_batches.push_back({begin, begin + shape.micro_batch_rows});
    }
    if (!sparse) return;
    set_most_to_zero(x.view());
    without_zeros.emplace(MatrixView<const float>(x.view()));
  }

  SparseRows<float> input() const { return without_zeros ? without_zeros->rows() : x.view(); }
};

using Product = void (*)(Arithmetic, Layer&);

void forward(Arithmetic arithmetic, Layer& layer) {
  forward_product<float>(arithmetic, layer.input(), layer.w.view(), layer.micro_batches, layer.delta.view());
}
void weight_gradient(Arithmetic arithmetic, Layer& layer) {
  weight_gradient_product<float>(arithmetic, layer.input(), layer.delta.view(), layer.micro_batches,
                                 layer.dw.view());
}
void input_gradient(Arithmetic arithmetic, Layer& layer) {
  input_gradient_product<float>(arithmetic, layer.delta.view(), layer.w.view(), layer.micro_batches,
                                layer.x.view());
}

void measure(benchmark::State& state, Product product, Arithmetic arithmetic, const Shape& shape,
             bool sparse) {
  Layer layer(shape, sparse);
  product(arithmetic, layer);  // brings its memory here
  for (auto _ : state) {
    product(arithmetic, layer);
    benchmark::ClobberMemory();
  }
  const double operations = 2.0 * static_cast<double>(shape.rows * shape.inputs * shape.outputs);
  state.counters["FLOP/s"] = benchmark::Counter(operations, benchmark::Counter::kIsIterationInvariantRate);
}

void add(const std::string& product_name, Product product, bool also_sparse) {
  const auto add_one = [&](const std::string& arithmetic_name, Arithmetic arithmetic, const Shape& shape,
                           bool sparse) {
    const std::string name = product_name + "/" + arithmetic_name + "/" + shape.text();
    benchmark::RegisterBenchmark(name.c_str(), measure, product, arithmetic, shape, sparse);
  };
  for (const Shape& shape : shapes) add_one("exact", Arithmetic::exact, shape, false);
  for (const Shape& shape : shapes) {
    if (also_sparse && shape.inputs == image_inputs) add_one("exact_sparse", Arithmetic::exact, shape, true);
  }
  for (const Shape& shape : shapes) add_one("openblas", Arithmetic::openblas, shape, false);
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  lockstep::bench::add("forward", lockstep::bench::forward, true);
  lockstep::bench::add("weight_gradient", lockstep::bench::weight_gradient, true);
  lockstep::bench::add("input_gradient", lockstep::bench::input_gradient, false);
  return lockstep::bench::run(argc, argv);
}
