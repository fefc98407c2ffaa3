#pragma once

#include <algorithm>
#include <barrier>
#include <cstddef>
#include <span>
#include <vector>

#include "lockstep/core/partition.hpp"

namespace lockstep::testing {

/// Lets threads complete block sums together, as ranks do: everyone puts its own down, everyone takes all.
class BlockSumBoard {
 public:
  BlockSumBoard(std::size_t blocks, std::size_t threads)
      : sums_(blocks), everyone_(static_cast<std::ptrdiff_t>(threads)) {}

  void complete(Range own, std::span<double> sums) {
    std::copy_n(sums.data() + own.begin, own.size(), sums_.data() + own.begin);
    everyone_.arrive_and_wait();
    std::copy(sums_.begin(), sums_.end(), sums.begin());
    everyone_.arrive_and_wait();  // nobody puts down the next sums while others still read these
  }

 private:
  std::vector<double> sums_;
  std::barrier<> everyone_;
};

}  // namespace lockstep::testing
