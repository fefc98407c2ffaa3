// Times exchange + update of one step against MPI_Allreduce + an update of everything on every rank, as plain
// data-parallel training does it:   mpirun -n 2 dist_exchange_speed [optimizer]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

#include "lockstep/core/instruction_set.hpp"
#include "lockstep/dist/environment.hpp"
#include "lockstep/dist/gradient_exchange.hpp"
#include "lockstep/nn/optimizer.hpp"

namespace lockstep {
namespace {

constexpr int rounds = 15;

/// Microseconds of one call, the mean over some calls.
double time_of(const Communicator& world, int calls, const std::function<void()>& step) {
  world.barrier();
  const auto start = std::chrono::steady_clock::now();
  for (int call = 0; call < calls; ++call) step();
  world.barrier();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() * 1e6 / calls;
}

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
    const auto gradient = [&](const Chunk& chunk) -> const float* {
      const float* const sum = exchange_.slice_sum(chunk.elements);
      halve(sum, chunk.elements.size(), mean_);
      return mean_;
    };
    slice_optimizer_.update(++steps_, 1e-6, exchange_.parameters().subspan(slice.begin, slice.size()),
                            std::ref(gradient));
    exchange_.share_slices();
  }

  void all_reduce_and_update() {
    MPI_Allreduce(MPI_IN_PLACE, gradient_.data(), static_cast<int>(gradient_.size()), MPI_FLOAT, MPI_SUM,
                  MPI_COMM_WORLD);
    halve(gradient_.data(), gradient_.size(), gradient_.data());
    whole_optimizer_.update(++steps_, 1e-6, weights_, gradient_, [](std::span<double>) {});
  }

 private:
  ParameterLayout layout_;
  GradientExchange<float> exchange_;
  Optimizer<float> slice_optimizer_, whole_optimizer_;
  std::vector<float> weights_, gradient_;
  float mean_[chunk_elements];
  std::uint64_t steps_ = 0;
};

void compare(const Communicator& world, const std::vector<std::size_t>& widths,
             const std::string& optimizer) {
  Step step(world, widths, make_optimizer_config(optimizer, {}));
  const int calls = std::max(3, static_cast<int>(4'000'000 / step.size()));
  std::vector<double> ours, plain, ratios;
  for (int round = 0; round < rounds; ++round) {
    ours.push_back(time_of(world, calls, [&] { step.exchange_and_update(); }));
    plain.push_back(time_of(world, calls, [&] { step.all_reduce_and_update(); }));
    ratios.push_back(plain.back() / ours.back());
  }
  if (!world.is_root()) return;
  const double best = *std::min_element(ours.begin(), ours.end());
  const double best_plain = *std::min_element(plain.begin(), plain.end());
  std::printf(
      "%-5s %8zu parameters: exchange + update %7.1f us, allreduce + update %7.1f us, ratio %.1f; best %.1f "
      "and %.1f, ratio %.1f\n",
      optimizer.c_str(), step.size(), median(ours), median(plain), median(ratios), best, best_plain,
      best_plain / best);
  std::fflush(stdout);
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) {
  const lockstep::Environment environment;
  const lockstep::Communicator world = lockstep::Communicator::world();
  const std::vector<std::vector<std::size_t>> nets{{128, 127},     {256, 255},   {784, 128, 64, 10},
                                                   {784, 512, 10}, {1024, 1023}, {1024, 1024, 1022}};
  for (const char* optimizer : {"sgd", "adam"}) {
    if (argc > 1 && std::string(argv[1]) != optimizer) continue;
    for (const auto& widths : nets) lockstep::compare(world, widths, optimizer);
  }
}
