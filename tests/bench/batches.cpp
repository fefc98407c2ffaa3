// The batch sampler's permutation at the start of an epoch, and the gathering of a step's rows, with and
// without their zeros. An item is a row.

#include <benchmark/benchmark.h>

#include <numeric>
#include <string>

#include "bench/run.hpp"
#include "lockstep/train/batch_sampler.hpp"
#include "lockstep/train/train_step.hpp"

namespace lockstep::bench {
namespace {

constexpr std::size_t image_rows = 60000, pixels = 784, shards = 8;

void start_epoch(benchmark::State& state, std::size_t batch_size) {
  BatchSampler sampler({.rows = image_rows, .batch_size = batch_size, .shards = shards}, {0, shards}, true,
                       0);
  std::uint64_t epoch = 0;
  for (auto _ : state) sampler.start_epoch(epoch++);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(image_rows));
}

/// Images with every fifth pixel not zero.
Rows<float> make_images(bool sparse) {
  Rows<float> rows;
  rows.count = image_rows;
  rows.features = pixels;
  rows.x_scale = 1.0 / 255;
  rows.x_u8.resize(image_rows * pixels);
  for (std::size_t i = 0; i < rows.x_u8.size(); i += 5) rows.x_u8[i] = static_cast<std::uint8_t>(i % 255 + 1);
  rows.classes.resize(image_rows);
  for (std::size_t i = 0; sparse && i < image_rows; ++i) {
    rows.nonzeros.append(std::span<const std::uint8_t>(rows.x_u8).subspan(i * pixels, pixels));
  }
  return rows;
}

/// Step after step of an epoch, so that rows come from memory, as in training.
void gather(benchmark::State& state, std::size_t batch_size, bool sparse) {
  const Rows<float> rows = make_images(sparse);
  BatchSampler sampler({.rows = image_rows, .batch_size = batch_size, .shards = shards}, {0, shards}, true,
                       0);
  sampler.start_epoch(0);
  AlignedVector<float> memory(RowMemory<float>::size(batch_size, pixels, sparse));
  const RowMemory<float> x(batch_size, pixels, sparse, memory.data());
  GatheredRows<float> gathered;
  std::uint64_t step = 0;
  std::size_t gathered_rows = 0;
  for (auto _ : state) {
    gathered.clear(x);
    for (std::size_t shard = 0; shard < shards; ++shard) gathered.append(sampler.micro_batch(shard, step));
    benchmark::DoNotOptimize(gathered.batch(rows, {}));
    benchmark::ClobberMemory();
    gathered_rows += gathered.micro_batches.back().end;
    step = (step + 1) % sampler.steps_per_epoch();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(gathered_rows));
}

void add_all() {
  for (const std::size_t batch_size : {32U, 128U, 1024U}) {
    const std::string size = "/batch:" + std::to_string(batch_size);
    benchmark::RegisterBenchmark(("start_epoch/60000" + size).c_str(), start_epoch, batch_size);
    benchmark::RegisterBenchmark(("gather/dense" + size).c_str(), gather, batch_size, false);
    benchmark::RegisterBenchmark(("gather/sparse" + size).c_str(), gather, batch_size, true);
  }
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  lockstep::bench::add_all();
  return lockstep::bench::run(argc, argv);
}
