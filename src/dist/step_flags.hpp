#pragma once

#include <cstring>

#include "lockstep/dist/rank_barrier.hpp"

/// Flags travel as the bits of one element.
namespace lockstep {

template <class T>
void write_flags(StepFlags flags, T* element) {
  static_assert(sizeof(T) >= sizeof flags);
  std::memcpy(element, &flags, sizeof flags);
}

template <class T>
StepFlags read_flags(const T* element) {
  StepFlags flags = 0;
  std::memcpy(&flags, element, sizeof flags);
  return flags;
}

}  // namespace lockstep
