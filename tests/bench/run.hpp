#pragma once

#include <benchmark/benchmark.h>

namespace lockstep::bench {

/// Runs the registered benchmarks that the command line chooses. Returns the exit status.
inline int run(int argc, char** argv, benchmark::BenchmarkReporter* reporter = nullptr) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (reporter == nullptr) {
    benchmark::RunSpecifiedBenchmarks();
  } else {
    benchmark::RunSpecifiedBenchmarks(reporter);
  }
  return 0;
}

}  // namespace lockstep::bench
