#pragma once

#include <stdexcept>
#include <string>

namespace lockstep {

/// Exit statuses of every subcommand.
enum class ExitStatus : int { done = 0, failure = 1, user_error = 2, resumable = 75 };

/// The user's mistake: a flag, the config, a file. Ends the program with exit status 2.
/// The message says what is wrong, where (file, dataset, row, flag), what was expected and what was found.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A file that is missing, damaged or of the wrong shape. Also exit status 2, but a caller may try another
/// file (an older checkpoint).
class FileError : public UserError {
 public:
  using UserError::UserError;
};

/// A file that the disk does not give now (an I/O error, a file server that is away), and that may be good.
/// Exit status 1.
class UnreadableError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A loss, gradient or weight stopped being finite. Exit status 1.
class NonFiniteError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A size, count or index does not fit the type an interface (MPI, BLAS, HDF5) asks for.
class OverflowError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace lockstep
