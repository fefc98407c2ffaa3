#include "lockstep/core/version.hpp"

#include "lockstep/core/instruction_set.hpp"

namespace lockstep {

std::string version() {
  return LOCKSTEP_VERSION;
}

std::string instruction_set() {
  return instruction_set_name(chosen_instruction_set());
}

}  // namespace lockstep
