// Prints the fused multiply-adds that this machine can do, in GFLOP/s of float32: "fma_peak THREADS".
// Chains of multiply-adds in registers, as many as hide their latency, at the widest vectors the CPU has.
// Compile with -O3 -ffp-contract=fast -pthread.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr long iterations = 200'000;
constexpr double seconds_to_run = 0.4;

typedef float Vector16 __attribute__((vector_size(64)));
typedef float Vector8 __attribute__((vector_size(32)));
typedef float Vector4 __attribute__((vector_size(16)));

/// Runs `iterations` multiply-adds in each of Chains vectors; returns something that depends on all of them.
template <class Vector, int Chains>
[[gnu::always_inline]] inline float run_chains(float factor) {
  Vector sums[Chains];
  for (int c = 0; c < Chains; ++c) sums[c] = Vector{} + static_cast<float>(c);
  const Vector factors = Vector{} + factor;
  const Vector addends = Vector{} + 1e-3F;
  for (long i = 0; i < iterations; ++i) {
#pragma GCC unroll 32
    for (int c = 0; c < Chains; ++c) sums[c] = sums[c] * factors + addends;
  }
  Vector total{};
  for (int c = 0; c < Chains; ++c) total += sums[c];
  return total[0];
}

struct Kernel {
  float (*run)(float factor);
  double flops;  // of one run
};

#if defined(__x86_64__)
[[gnu::target("avx512f")]] float run_avx512(float factor) {
  return run_chains<Vector16, 24>(factor);
}
[[gnu::target("avx2,fma")]] float run_avx2(float factor) {
  return run_chains<Vector8, 12>(factor);
}
#endif
float run_baseline(float factor) {
  return run_chains<Vector4, 12>(factor);
}

Kernel widest_kernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {run_avx512, 2.0 * 16 * 24 * iterations};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {run_avx2, 2.0 * 8 * 12 * iterations};
#endif
  return {run_baseline, 2.0 * 4 * 12 * iterations};
}

std::atomic<float> sink{0};

/// GFLOP/s of one thread: its fastest run.
double peak_of_thread(const Kernel& kernel) {
  double best = 0;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds_to_run);
  while (Clock::now() < end) {
    const auto started = Clock::now();
    sink = kernel.run(0.999F);
    best = std::max(best, kernel.flops / std::chrono::duration<double>(Clock::now() - started).count());
  }
  return best / 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  const int thread_count = argc == 2 ? std::atoi(argv[1]) : 0;
  if (thread_count < 1) {
    std::fprintf(stderr, "fma_peak: expected a number of threads, found '%s'\n", argc > 1 ? argv[1] : "");
    return 2;
  }
  const Kernel kernel = widest_kernel();
  std::vector<double> peaks(static_cast<std::size_t>(thread_count));
  std::vector<std::thread> threads;
  for (double& peak : peaks) threads.emplace_back([&peak, &kernel] { peak = peak_of_thread(kernel); });
  double sum = 0;
  for (int t = 0; t < thread_count; ++t) {
    threads[static_cast<std::size_t>(t)].join();
    sum += peaks[static_cast<std::size_t>(t)];
  }
  std::printf("%.3f\n", sum);
}
