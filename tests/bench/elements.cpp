// What is computed element by element: activations forward, forward with the slopes that training keeps, and
// backward; output and loss. An item is an element.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bench/numbers.hpp"
#include "bench/run.hpp"
#include "lockstep/nn/activation.hpp"
#include "lockstep/nn/loss.hpp"

namespace lockstep::bench {
namespace {

constexpr std::size_t rows = 64, units = 512;

template <class Work>
void measure(benchmark::State& state, std::size_t elements, const Work& work) {
  for (auto _ : state) {
    work();
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(elements));
}

void forward(benchmark::State& state, const Activation& activation) {
  Numbers z(rows, units), a(rows, units);
  measure(state, rows * units, [&] { activation.forward<float>(z.view(), a.view()); });
}

void forward_with_slopes(benchmark::State& state, const Activation& activation) {
  Numbers z(rows, units), a(rows, units), slopes(rows, units);
  measure(state, rows * units, [&] { activation.forward<float>(z.view(), a.view(), slopes.view()); });
}

/// delta becomes smaller with every iteration, and so it is renewed in each.
void backward(benchmark::State& state, const Activation& activation) {
  Numbers z(rows, units), delta(rows, units);
  const AlignedVector<float> fresh = delta.values();
  measure(state, rows * units, [&] {
    std::copy(fresh.begin(), fresh.end(), delta.values().begin());
    activation.backward<float>(z.view(), delta.view());
  });
}

void loss(benchmark::State& state, OutputLoss output_loss, std::size_t outputs) {
  Numbers logits(rows, outputs), values(rows, outputs), delta(rows, outputs);
  std::vector<std::int32_t> classes;
  for (std::size_t i = 0; i < rows; ++i) classes.push_back(static_cast<std::int32_t>(i % outputs));
  const Targets<float> targets{classes, values.view()};
  measure(state, rows * outputs, [&] {
    const LossSums sums = loss_and_delta<float>(output_loss, logits.view(), targets, 0, delta.view());
    benchmark::DoNotOptimize(sums.loss_sum);
  });
}

void add_activations() {
  for (const ActivationInfo& info : activation_table()) {
    const Activation activation(info.name);
    const std::string size = "/64x512";
    benchmark::RegisterBenchmark((info.name + "/forward" + size).c_str(), forward, activation);
    if (activation.keeps_slopes()) {
      benchmark::RegisterBenchmark((info.name + "/forward_with_slopes" + size).c_str(), forward_with_slopes,
                                   activation);
    }
    benchmark::RegisterBenchmark((info.name + "/backward" + size).c_str(), backward, activation);
  }
}

void add_losses() {
  for (const std::size_t outputs : {10U, 1000U}) {
    for (const OutputLoss output_loss :
         {OutputLoss::softmax_cross_entropy, OutputLoss::sigmoid_binary_cross_entropy,
          OutputLoss::identity_mse, OutputLoss::identity_mae, OutputLoss::identity_huber}) {
      const std::string name =
          output_name(output_loss) + "_" + loss_name(output_loss) + "/64x" + std::to_string(outputs);
      benchmark::RegisterBenchmark(name.c_str(), loss, output_loss, outputs);
    }
  }
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  lockstep::bench::add_losses();
  lockstep::bench::add_activations();
  return lockstep::bench::run(argc, argv);
}
