#pragma once

#include <cstdint>

#include "lockstep/dist/communicator.hpp"
#include "lockstep/dist/gradient_exchange.hpp"

namespace lockstep {

/// Compares the copies of the weights that nodes (or ranks that exchange messages) have, layer by layer, by
/// digests. share_slices() overwrites all but a rank's own slice: called before it, this sees what has
/// happened to a copy. Collective. Throws AgreedError naming the ranks and the first layer that differ: bad
/// memory, or libraries that compute differently. `step`: finished ones, for the message.
template <class T>
void refuse_differing_copies(const Communicator& world, const GradientExchange<T>& exchange,
                             const ParameterLayout& layout, std::uint64_t step);

}  // namespace lockstep
