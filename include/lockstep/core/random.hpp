#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace lockstep {

/// What random numbers are for. Each purpose has streams of its own under one seed; the values are part of
/// the results' definition and never change.
enum class RandomPurpose : std::uint32_t {
  initializer = 1,
  shuffle = 2,
  dropout = 3,
  validation_split = 4,
  sweep = 5,
};

/// Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2,
/// 3", SC11). Any rank computes any element; there is no state. Keyed by seed and purpose, a stream is named
/// by two indices (e.g. epoch and shard, or step and layer), an element by its position in the stream.
class Philox {
 public:
  Philox(std::uint64_t seed, RandomPurpose purpose, std::uint32_t stream_high, std::uint32_t stream_low);

  /// Uniform 64 random bits for `element`.
  std::uint64_t bits(std::uint64_t element) const;
  /// Uniform in [0, 1) with 53 random bits.
  double uniform(std::uint64_t element) const;
  /// Uniform integer in [0, bound), without modulo bias worth noticing (multiply-high of 64 bits). bound > 0.
  std::uint64_t below(std::uint64_t element, std::uint64_t bound) const;
  /// Standard normal (Box-Muller, one value an element).
  double normal(std::uint64_t element) const;

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 2> stream_;
};

/// A permutation of 0 … n-1 (Fisher-Yates, fed by `random`).
std::vector<std::uint32_t> random_permutation(const Philox& random, std::uint32_t n);

/// NumPy's legacy generator: np.random.seed(seed), then np.random.random() / np.random.standard_normal().
class NumpyRandom {
 public:
  /// Throws UserError if the seed does not fit 32 bits, as NumPy's does.
  explicit NumpyRandom(std::uint64_t seed);
  /// The next np.random.random(): uniform in [0, 1), 53 bits.
  double uniform();
  /// The next np.random.standard_normal() (polar method, as np.random.RandomState's).
  double normal();

 private:
  std::mt19937 engine_;
  bool has_next_normal_ = false;
  double next_normal_ = 0;
};

}  // namespace lockstep
