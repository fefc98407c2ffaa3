#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <type_traits>

#include "lockstep/core/error.hpp"

namespace lockstep {

/// The variants that loops over numbers are compiled in, narrowest first. All give the same bits.
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

/// An instruction set as a type.
template <InstructionSet Set>
using InstructionSetTag = std::integral_constant<InstructionSet, Set>;

namespace instruction_set_detail {

// Everything that body calls is inlined, so that it is compiled for the set that stands here.
#if defined(__x86_64__)
template <class Body>
#if defined(__clang__)  // ignores a target attribute with prefer-vector-width in it
[[gnu::target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi"), gnu::flatten]] void
#else
[[gnu::target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi,prefer-vector-width=512"), gnu::flatten]] void
#endif
run_avx512(const Body& body) {
  body(InstructionSetTag<InstructionSet::avx512>{});
}
template <class Body>
[[gnu::target("avx2,fma,bmi"), gnu::flatten]] void run_avx2(const Body& body) {
  body(InstructionSetTag<InstructionSet::avx2>{});
}
#endif
template <class Body>
[[gnu::flatten]] void run_baseline(const Body& body) {
  body(InstructionSetTag<InstructionSet::baseline>{});
}

}  // namespace instruction_set_detail

/// Calls body(InstructionSetTag) in a copy compiled for the chosen instruction set. Meant for loops over
/// plain arrays that a compiler turns into vector code: whatever body calls is inlined into each copy.
template <class Body>
void run_vectorized(const Body& body) {
#if defined(__x86_64__)
  if (chosen_instruction_set() == InstructionSet::avx512) return instruction_set_detail::run_avx512(body);
  if (chosen_instruction_set() == InstructionSet::avx2) return instruction_set_detail::run_avx2(body);
#endif
  instruction_set_detail::run_baseline(body);
}

}  // namespace lockstep
