// What a slice's owner does in a step: adds up the sums of all ranks in tree order, takes the mean, and
// updates the weights, chunk by chunk. Names: optimizer / net / ranks. An item is a parameter.

#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <vector>

#include "bench/numbers.hpp"
#include "bench/run.hpp"
#include "lockstep/core/instruction_set.hpp"
#include "lockstep/core/summation_tree.hpp"
#include "lockstep/nn/optimizer.hpp"

namespace lockstep::bench {
namespace {

constexpr std::size_t shards = 8;
using Widths = std::vector<std::size_t>;

/// The sums of `ranks` ranks and the optimizer of one slice, which is everything.
class Slice {
 public:
  Slice(const Widths& widths, const std::string& optimizer, std::size_t ranks)
      : layout_(widths, sizeof(float)),
        weights_(numbers(layout_.size())),
        optimizer_(make_optimizer_config(optimizer, {}), layout_, {0, layout_.blocks()}),
        mean_(layout_.size()) {
    std::vector<NodeSum<float>> parts;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      sums_.push_back(numbers(layout_.size()));
      parts.push_back({block_partition(shards, ranks, rank), sums_.back().data()});
    }
    tree_ = TreeChunks<float>(std::move(parts), chunk_elements);
  }

  std::size_t size() const { return layout_.size(); }

  void update() {
    ++steps_;
    if (!optimizer_.info().layer_norms) {
      const auto gradient = [&](const Chunk& chunk) -> ScaledGradient<float> {
        return {tree_.sum({0, shards}, chunk.elements), 1.0F / 128};
      };
      optimizer_.update(steps_, learning_rate, weights_, std::ref(gradient));
      return;
    }
    for_chunks(layout_, {0, layout_.blocks()}, [&](const Chunk& chunk) { write_mean(chunk); });
    optimizer_.update(steps_, learning_rate, weights_, mean_, [](std::span<double>) {});
  }

 private:
  static constexpr double learning_rate = 1e-6;

  void write_mean(const Chunk& chunk) {
    const float* const sum = tree_.sum({0, shards}, chunk.elements);
    float* const mean = mean_.data() + chunk.elements.begin;
    run_vectorized([=, length = chunk.elements.size()](auto) {
      for (std::size_t i = 0; i < length; ++i) mean[i] = sum[i] * (1.0F / 128);
    });
  }

  ParameterLayout layout_;
  AlignedVector<float> weights_;
  Optimizer<float> optimizer_;
  AlignedVector<float> mean_;
  std::vector<AlignedVector<float>> sums_;  // (ranks)
  TreeChunks<float> tree_;
  std::uint64_t steps_ = 0;
};

void tree_sum_and_update(benchmark::State& state, const Widths& widths, const std::string& optimizer,
                         std::size_t ranks) {
  Slice slice(widths, optimizer, ranks);
  for (auto _ : state) {
    slice.update();
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(slice.size()));
}

void add_optimizers() {
  const struct {
    const char* name;
    Widths widths;
  } nets[] = {{"784-128-64-10", {784, 128, 64, 10}},
              {"784-512-10", {784, 512, 10}},
              {"784-2048-2048-10", {784, 2048, 2048, 10}}};
  for (const OptimizerInfo& info : optimizer_table()) {
    for (const auto& net : nets) {
      for (const std::size_t ranks : {1U, 2U, 8U}) {
        const std::string name = info.name + "/" + net.name + "/ranks:" + std::to_string(ranks);
        benchmark::RegisterBenchmark(name.c_str(), tree_sum_and_update, net.widths, info.name, ranks);
      }
    }
  }
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  lockstep::bench::add_optimizers();
  return lockstep::bench::run(argc, argv);
}
