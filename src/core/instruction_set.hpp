#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "lockstep/core/error.hpp"

namespace lockstep {

/// The variants that the exact kernels are compiled in, narrowest first. All give the same bits.
enum class InstructionSet { baseline, avx2, avx512 };

inline std::string instruction_set_name(InstructionSet set) {
  constexpr std::array names{"baseline", "avx2", "avx512"};
  return names[static_cast<std::size_t>(set)];
}

inline InstructionSet widest_instruction_set() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    return InstructionSet::avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return InstructionSet::avx2;
#endif
  return InstructionSet::baseline;
}

/// The widest set that this CPU has, but none wider than the one that LOCKSTEP_ISA in the environment names.
/// Throws UserError if that is no set.
inline InstructionSet chosen_instruction_set() {
  static const InstructionSet chosen = [] {
    const char* const limit = std::getenv("LOCKSTEP_ISA");
    if (limit == nullptr) return widest_instruction_set();
    for (const InstructionSet set :
         {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512}) {
      if (limit == instruction_set_name(set)) return std::min(set, widest_instruction_set());
    }
    throw UserError("LOCKSTEP_ISA: expected baseline, avx2 or avx512, found '" + std::string(limit) + "'");
  }();
  return chosen;
}

}  // namespace lockstep
