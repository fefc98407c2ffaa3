// Exchange + update of one step against MPI_Allreduce + an update of everything on every rank, as plain
// data-parallel training does it. Both take turns; counters are the medians of their seconds and of the
// ratio.
//
//   mpirun -n 2 bench_exchange

#include <benchmark/benchmark.h>
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/run.hpp"
#include "lockstep/core/aligned_vector.hpp"
#include "lockstep/core/checked_cast.hpp"
#include "lockstep/core/instruction_set.hpp"
#include "lockstep/dist/environment.hpp"
#include "lockstep/dist/gradient_exchange.hpp"
#include "lockstep/nn/optimizer.hpp"

namespace lockstep::bench {
namespace {

/// Fixed, for all ranks to do the same.
constexpr int rounds = 15;
constexpr std::size_t parameters_of_a_round = 4'000'000;

void halve(const float* sum, std::size_t length, float* mean) {
  run_vectorized([=](auto) {
    for (std::size_t i = 0; i < length; ++i) mean[i] = sum[i] * 0.5F;
  });
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

class Step {
 public:
  Step(const Communicator& world, const std::vector<std::size_t>& widths, const OptimizerConfig& optimizer)
      : layout_(widths, sizeof(float)),
        exchange_(world, layout_, static_cast<std::size_t>(world.size()), Reduction::reproducible),
        slice_optimizer_(optimizer, layout_, exchange_.own_blocks()),
        whole_optimizer_(optimizer, layout_, {0, layout_.blocks()}),
        weights_(layout_.size(), 0.1F),
        gradient_(layout_.size(), 1e-3F) {
    std::fill_n(exchange_.accumulator().next_term(), layout_.size(), 1e-3F);
    exchange_.accumulator().add_term();
  }

  std::size_t size() const { return layout_.size(); }

  void exchange_and_update() {
    exchange_.share_sums(0);
    const Range slice = exchange_.own_slice();
    const auto gradient = [&](const Chunk& chunk) -> ScaledGradient<float> {
      return {exchange_.slice_sum(chunk.elements), 0.5F};
    };
    slice_optimizer_.update(++steps_, 1e-6, exchange_.parameters().subspan(slice.begin, slice.size()),
                            std::ref(gradient));
    exchange_.share_slices();
  }

  void all_reduce_and_update() {
    MPI_Allreduce(MPI_IN_PLACE, gradient_.data(),
                  checked_cast<int>(gradient_.size(), "the number of parameters"), MPI_FLOAT, MPI_SUM,
                  MPI_COMM_WORLD);
    halve(gradient_.data(), gradient_.size(), gradient_.data());
    whole_optimizer_.update(++steps_, 1e-6, weights_, gradient_, [](std::span<double>) {});
  }

 private:
  ParameterLayout layout_;
  GradientExchange<float> exchange_;
  Optimizer<float> slice_optimizer_, whole_optimizer_;
  AlignedVector<float> weights_, gradient_;
  std::uint64_t steps_ = 0;
};

/// Seconds of one step, the mean over some.
double time_of(const Communicator& world, std::size_t steps, const std::function<void()>& step) {
  world.barrier();
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < steps; ++i) step();
  world.barrier();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
         static_cast<double>(steps);
}

void compare(benchmark::State& state, const Communicator& world, const std::vector<std::size_t>& widths,
             const std::string& optimizer) {
  Step step(world, widths, make_optimizer_config(optimizer, {}));
  const std::size_t steps = std::max<std::size_t>(3, parameters_of_a_round / step.size());
  std::vector<double> fused, plain, ratios;
  for (auto _ : state) {
    fused.push_back(time_of(world, steps, [&] { step.exchange_and_update(); }));
    plain.push_back(time_of(world, steps, [&] { step.all_reduce_and_update(); }));
    ratios.push_back(plain.back() / fused.back());
    state.SetIterationTime(fused.back());
  }
  state.counters["exchange_and_update"] = median(fused);
  state.counters["allreduce_and_update"] = median(plain);
  state.counters["ratio"] = median(ratios);
}

void add_all(const Communicator& world) {
  const std::vector<std::size_t> nets[] = {{128, 127},     {256, 255},   {784, 128, 64, 10},
                                           {784, 512, 10}, {1024, 1023}, {1024, 1024, 1022}};
  for (const std::string optimizer : {"sgd", "adam"}) {
    for (const std::vector<std::size_t>& widths : nets) {
      const std::string name =
          optimizer + "/" + std::to_string(ParameterLayout(widths, sizeof(float)).parameter_count());
      benchmark::RegisterBenchmark(
          name.c_str(),
          [&world, widths, optimizer](benchmark::State& state) { compare(state, world, widths, optimizer); })
          ->UseManualTime()
          ->Iterations(rounds)
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

/// Whether an argument asks for a file, which only the root may write.
bool is_output(std::string_view argument) {
  return argument.starts_with("--benchmark_out");
}

/// Of the ranks that are not the root.
class NoReport : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>&) override {}
};

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  using namespace lockstep;
  const Environment environment;
  const Communicator world = Communicator::world();
  if (!world.is_root())
    argc = static_cast<int>(std::remove_if(argv + 1, argv + argc, bench::is_output) - argv);
  bench::add_all(world);
  bench::NoReport no_report;
  return bench::run(argc, argv, world.is_root() ? nullptr : &no_report);
}
