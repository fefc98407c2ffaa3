#pragma once

#include <cstdlib>
#include <string>
#include <string_view>

namespace lockstep {

/// The variants that the exact kernels are compiled in. All give the same bits.
enum class InstructionSet { baseline, avx2, avx512 };

inline std::string instruction_set_name(InstructionSet set) {
  switch (set) {
    case InstructionSet::avx512:
      return "avx512";
    case InstructionSet::avx2:
      return "avx2";
    case InstructionSet::baseline:
      break;
  }
  return "baseline";
}

/// The widest set that this CPU has; LOCKSTEP_ISA=baseline|avx2|avx512 in the environment chooses a narrower
/// one.
inline InstructionSet chosen_instruction_set() {
  static const InstructionSet chosen = [] {
    InstructionSet widest = InstructionSet::baseline;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) widest = InstructionSet::avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
      widest = InstructionSet::avx512;
    }
#endif
    const char* wanted = std::getenv("LOCKSTEP_ISA");
    if (wanted == nullptr) return widest;
    for (const InstructionSet set : {InstructionSet::baseline, InstructionSet::avx2}) {
      if (wanted == instruction_set_name(set) && set < widest) return set;
    }
    return widest;
  }();
  return chosen;
}

}  // namespace lockstep
