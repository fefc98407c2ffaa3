#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace lockstep {

class Communicator;

/// Whether `bytes` can be had on this machine and in its control group.
bool memory_is_available(std::size_t bytes);

/// Throws UserError "what: needs … of memory, … are available" if `bytes` cannot be had on this machine or in
/// its control group. Linux would hand out the addresses and end the process later.
void check_memory_available(std::size_t bytes, const std::string& what);

/// Throws AgreedError, as above, if a node has no room for what its ranks need, of which `own_bytes` are this
/// rank's and `shared_bytes` exist once. Collective.
void check_memory_of_nodes(const Communicator& world, std::size_t own_bytes, std::size_t shared_bytes,
                           const std::string& what);

/// Makes room for `more` elements, at least twice what there was. Throws UserError as above.
template <class T>
void make_room(std::vector<T>& values, std::size_t more, const std::string& what) {
  if (more <= values.capacity() - values.size()) return;
  const std::size_t capacity = std::max(values.size() + more, 2 * values.capacity());
  check_memory_available((capacity - values.size()) * sizeof(T), what);
  values.reserve(capacity);
}

}  // namespace lockstep
