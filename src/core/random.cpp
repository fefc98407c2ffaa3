#include "lockstep/core/random.hpp"

#include <Random123/philox.h>

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "lockstep/core/elementary.hpp"
#include "lockstep/core/error.hpp"

namespace lockstep {
namespace {

/// 53 of 64 random bits as a number in [0, 1).
double unit_interval(std::uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

std::array<std::uint64_t, 2> two_words(const std::array<std::uint32_t, 2>& key,
                                       const std::array<std::uint32_t, 2>& stream, std::uint64_t element) {
  const philox4x32_ctr_t counter{
      {static_cast<std::uint32_t>(element), static_cast<std::uint32_t>(element >> 32), stream[0], stream[1]}};
  const philox4x32_key_t key_words{{key[0], key[1]}};
  const philox4x32_ctr_t random = philox4x32_R(philox4x32_rounds, counter, key_words);
  return {(std::uint64_t{random.v[1]} << 32) | random.v[0], (std::uint64_t{random.v[3]} << 32) | random.v[2]};
}

}  // namespace

Philox::Philox(std::uint64_t seed, RandomPurpose purpose, std::uint32_t stream_high, std::uint32_t stream_low)
    : stream_{stream_high, stream_low} {
  // The key has 64 bits for seed and purpose together: Philox itself mixes them.
  const philox4x32_ctr_t counter{{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                                  static_cast<std::uint32_t>(purpose), 0}};
  const philox4x32_ctr_t mixed = philox4x32_R(philox4x32_rounds, counter, philox4x32_key_t{{0, 0}});
  key_ = {mixed.v[0], mixed.v[1]};
}

std::uint64_t Philox::bits(std::uint64_t element) const {
  return two_words(key_, stream_, element)[0];
}

double Philox::uniform(std::uint64_t element) const {
  return unit_interval(bits(element));
}

std::uint64_t Philox::below(std::uint64_t element, std::uint64_t bound) const {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(bits(element)) * bound) >> 64);
}

double Philox::normal(std::uint64_t element) const {
  const auto [first, second] = two_words(key_, stream_, element);
  const double radius = std::sqrt(-2 * elementary::log(1 - unit_interval(first)));
  return radius * elementary::cos(2 * std::numbers::pi * unit_interval(second));
}

std::vector<std::uint32_t> random_permutation(const Philox& random, std::uint32_t n) {
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0U);
  for (std::uint32_t i = n; i > 1; --i) {
    std::swap(order[i - 1], order[static_cast<std::uint32_t>(random.below(i - 1, i))]);
  }
  return order;
}

NumpyRandom::NumpyRandom(std::uint64_t seed) : engine_(static_cast<std::mt19937::result_type>(seed)) {
  if (seed > 0xffffffffU) {
    throw UserError("--seed: expected at most 4294967295 for --init-generator mt19937, found " +
                    std::to_string(seed));
  }
}

double NumpyRandom::uniform() {
  const auto high = static_cast<double>(engine_() >> 5);
  const auto low = static_cast<double>(engine_() >> 6);
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

double NumpyRandom::normal() {
  if (std::exchange(has_next_normal_, false)) return next_normal_;
  double x = 0, y = 0, squared_radius = 0;
  do {
    x = 2 * uniform() - 1;
    y = 2 * uniform() - 1;
    squared_radius = x * x + y * y;
  } while (squared_radius >= 1 || squared_radius == 0);
  const double factor = std::sqrt(-2 * elementary::log(squared_radius) / squared_radius);
  next_normal_ = factor * x;
  has_next_normal_ = true;
  return factor * y;
}

}  // namespace lockstep
