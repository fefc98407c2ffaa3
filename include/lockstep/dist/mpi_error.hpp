#pragma once

#include <stdexcept>
#include <string>

namespace lockstep {

/// A call of MPI failed. The message names the call and says what MPI says. The communication of the job is
/// in an unknown state then: catch it only to end the job (abort_all).
class MpiError : public std::runtime_error {
 public:
  MpiError(const char* call, int code);
  int code() const { return code_; }

 private:
  int code_;
};

/// Throws MpiError unless `code`, returned by `call`, is MPI_SUCCESS.
void check_mpi(int code, const char* call);

}  // namespace lockstep
