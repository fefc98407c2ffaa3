#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace lockstep {

/// Throws UserError "what: needs … of memory, … are available" if `bytes` cannot be had on this machine or in
/// its control group. Linux would hand out the addresses and end the process later.
void check_memory_available(std::size_t bytes, const std::string& what);

/// Makes room for `more` elements, at least twice what there was. Throws UserError as above.
template <class T>
void make_room(std::vector<T>& values, std::size_t more, const std::string& what) {
  if (more <= values.capacity() - values.size()) return;
  const std::size_t capacity = std::max(values.size() + more, 2 * values.capacity());
  check_memory_available((capacity - values.size()) * sizeof(T), what);
  values.reserve(capacity);
}

}  // namespace lockstep
