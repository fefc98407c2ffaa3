#include "lockstep/train/divergence_guard.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "lockstep/core/sha256.hpp"
#include "lockstep/dist/agreement.hpp"

namespace lockstep {
namespace {

/// The first 64 bits of the SHA-256 of a layer's tensors.
template <class T>
std::uint64_t layer_digest(const ParameterLayout& layout, std::span<const T> parameters, std::size_t layer) {
  Sha256 digest;
  const Range tensors = layout.layer_tensors(layer);
  for (std::size_t i = tensors.begin; i < tensors.end; ++i) {
    const Tensor& tensor = layout.tensors()[i];
    digest.update(std::as_bytes(parameters.subspan(tensor.offset, tensor.size())));
  }
  return std::stoull(digest.hex_digest().substr(0, 16), nullptr, 16);
}

/// The ranks that have a copy, as "ranks 4 to 7 on host2".
std::string owners_of(std::size_t copy, std::size_t ranks, const std::string& host) {
  const std::string first = std::to_string(copy * ranks);
  if (ranks == 1) return "rank " + first + " on " + host;
  return "ranks " + first + " to " + std::to_string((copy + 1) * ranks - 1) + " on " + host;
}

/// What most copies have; the first of equals.
std::uint64_t most_frequent(const std::vector<std::uint64_t>& values) {
  return *std::max_element(values.begin(), values.end(), [&](std::uint64_t a, std::uint64_t b) {
    return std::count(values.begin(), values.end(), a) < std::count(values.begin(), values.end(), b);
  });
}

/// `digests`: (copies) of one layer.
std::string difference(const std::vector<std::uint64_t>& digests, std::size_t ranks,
                       const std::vector<std::string>& hosts) {
  const std::uint64_t expected = most_frequent(digests);
  const auto agreeing = std::count(digests.begin(), digests.end(), expected);
  std::string odd;
  for (std::size_t copy = 0; copy < digests.size(); ++copy) {
    // Of two copies nobody can tell which one is right.
    if (digests[copy] == expected && 2 * agreeing > static_cast<std::ptrdiff_t>(digests.size())) continue;
    odd += (odd.empty() ? "" : ", ") + owners_of(copy, ranks, hosts[copy * ranks]);
  }
  return odd;
}

}  // namespace

template <class T>
void refuse_differing_copies(const Communicator& world, const GradientExchange<T>& exchange,
                             const ParameterLayout& layout, std::uint64_t step) {
  const std::size_t copies = exchange.copies(), ranks = exchange.ranks_of_a_copy();
  if (copies == 1) return;
  // The ranks of a copy share out its layers.
  const std::size_t layers = layout.layers(), member = static_cast<std::size_t>(world.rank()) % ranks;
  std::vector<std::uint64_t> mine(layers);
  for (std::size_t layer = member; layer < layers; layer += ranks) {
    mine[layer] = layer_digest<T>(layout, exchange.parameters(), layer);
  }
  const std::vector<std::uint64_t> all = world.all_gather_v<std::uint64_t>(mine);
  for (std::size_t layer = 0; layer < layers; ++layer) {
    std::vector<std::uint64_t> digests;
    for (std::size_t copy = 0; copy < copies; ++copy) {
      digests.push_back(all[(copy * ranks + layer % ranks) * layers + layer]);
    }
    if (std::count(digests.begin(), digests.end(), digests[0]) == static_cast<std::ptrdiff_t>(copies))
      continue;
    const std::vector<std::string> hosts = world.gather_text(world.host());
    const std::string odd = world.broadcast(world.is_root() ? difference(digests, ranks, hosts) : "");
    collectively(world, [&] {
      throw std::runtime_error(
          "the copies of the weights differ after step " + std::to_string(step) + ": layer " +
          layout.kernel(layer).layer + " of " + odd +
          "; look for bad memory or other libraries there; no checkpoint was made of them");
    });
  }
}

template void refuse_differing_copies<float>(const Communicator&, const GradientExchange<float>&,
                                             const ParameterLayout&, std::uint64_t);
template void refuse_differing_copies<double>(const Communicator&, const GradientExchange<double>&,
                                              const ParameterLayout&, std::uint64_t);

}  // namespace lockstep
