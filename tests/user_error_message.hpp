#pragma once

#include <string>

#include "lockstep/core/error.hpp"

namespace lockstep {

/// The message of the UserError that `work` throws, "no error" if it throws none.
template <class Work>
std::string user_error_message(Work&& work) {
  try {
    work();
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace lockstep
