#include "lockstep/dist/mpi_error.hpp"

#include <mpi.h>

#include <array>

namespace lockstep {
namespace {

std::string describe(const char* call, int code) {
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  if (MPI_Error_string(code, text.data(), &length) != MPI_SUCCESS) length = 0;
  const std::string reason = length > 0 ? std::string(text.data(), static_cast<std::size_t>(length))
                                        : "error " + std::to_string(code);
  return std::string(call) + ": " + reason;
}

}  // namespace

MpiError::MpiError(const char* call, int code) : std::runtime_error(describe(call, code)), code_(code) {}

void check_mpi(int code, const char* call) {
  if (code != MPI_SUCCESS) throw MpiError(call, code);
}

}  // namespace lockstep
