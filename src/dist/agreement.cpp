#include "lockstep/dist/agreement.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <system_error>

#include "launch_settings.hpp"
#include "lockstep/core/text.hpp"

namespace lockstep {

AgreedError::AgreedError(std::string message, ExitStatus status, int rank, std::string host)
    : message_(std::move(message)), status_(status), rank_(rank), host_(std::move(host)) {}

namespace detail {
namespace {

/// Paths that may not be used are the user's mistake; a disk that is full or broken is not.
ExitStatus status_of(const std::error_code& error) {
  for (const std::errc mistake :
       {std::errc::permission_denied, std::errc::operation_not_permitted, std::errc::read_only_file_system,
        std::errc::not_a_directory, std::errc::filename_too_long, std::errc::too_many_symbolic_link_levels}) {
    if (error == mistake) return ExitStatus::user_error;
  }
  return ExitStatus::failure;
}

}  // namespace

Outcome outcome_of_current_exception() {
  try {
    throw;
  } catch (const MpiError&) {
    throw;
  } catch (const AgreedError& error) {
    return {true, error.what(), error.status()};
  } catch (const UserError& error) {
    return {true, error.what(), ExitStatus::user_error};
  } catch (const std::filesystem::filesystem_error& error) {
    return {true, error.path1().string() + ": " + error.code().message(), status_of(error.code())};
  } catch (const std::bad_alloc&) {
    return {true, "out of memory", ExitStatus::failure};
  } catch (const std::exception& error) {
    return {true, error.what(), ExitStatus::failure};
  } catch (...) {
    return {true, "unknown error", ExitStatus::failure};
  }
}

void agree(const Communicator& communicator, const Outcome& mine) {
  const int size = communicator.size();
  const int first = static_cast<int>(communicator.all_reduce_min(mine.failed ? communicator.rank() : size));
  if (first == size) return;

  std::string message = communicator.broadcast(mine.message, first);
  const std::string host = communicator.broadcast(communicator.host(), first);
  auto status = static_cast<std::int32_t>(mine.status);
  communicator.broadcast(std::span(&status, 1), first);
  const bool alike = communicator.all_reduce_min(mine.failed && mine.message == message ? 1 : 0) == 1;
  // What rank 0 alone says of the user's files and flags is said for all.
  const bool is_of_all = alike || (first == 0 && status == static_cast<std::int32_t>(ExitStatus::user_error));
  if (!is_of_all) message = "rank " + std::to_string(first) + " on " + host + ": " + message;
  throw AgreedError(std::move(message), static_cast<ExitStatus>(status), first, host);
}

}  // namespace detail

namespace {

void tell(int rank, const char* host, const std::string& message) {
  std::fflush(stdout);
  std::fprintf(stderr, "lockstep: rank %d on %s: %s\n", rank, host, printable(message).c_str());
}

[[noreturn]] void end(MPI_Comm communicator, ExitStatus status) {
  std::fflush(stderr);
  // Without a launcher nobody else is to be ended, and MPI_Abort would add its own lines to the message.
  if (!started_by_launcher()) std::_Exit(static_cast<int>(status));
  MPI_Abort(communicator, static_cast<int>(status));
  std::_Exit(static_cast<int>(status));
}

}  // namespace

void abort_all(const Communicator& communicator, const std::string& message, ExitStatus status) {
  tell(communicator.rank(), communicator.host().c_str(), message);
  end(communicator.handle(), status);
}

void abort_all(const std::string& message, ExitStatus status) {
  int rank = 0, length = 0;
  std::array<char, MPI_MAX_PROCESSOR_NAME> host{};
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Get_processor_name(host.data(), &length);
  tell(rank, host.data(), message);
  end(MPI_COMM_WORLD, status);
}

void end_all(const Communicator& communicator, ExitStatus status) {
  end(communicator.handle(), status);
}

}  // namespace lockstep
