#pragma once

#include <exception>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "lockstep/core/error.hpp"
#include "lockstep/dist/communicator.hpp"
#include "lockstep/dist/mpi_error.hpp"

/// How ranks fail together. Work that may fail on some ranks only (reading a file, checking rows) runs inside
/// collectively() or on_root(): afterwards either all ranks go on or all throw the same AgreedError.
namespace lockstep {

/// An error that all ranks throw alike, so that every one of them can end in order.
class AgreedError : public std::exception {
 public:
  AgreedError(std::string message, ExitStatus status, int rank, std::string host);
  const char* what() const noexcept override { return message_.c_str(); }
  /// user_error for a UserError, else failure.
  ExitStatus status() const { return status_; }
  /// The lowest rank that failed, and its host.
  int rank() const { return rank_; }
  const std::string& host() const { return host_; }

 private:
  std::string message_;
  ExitStatus status_;
  int rank_;
  std::string host_;
};

namespace detail {

/// How work ended on this rank.
struct Outcome {
  bool failed = false;
  std::string message;
  ExitStatus status = ExitStatus::done;
};

/// Of the exception that is being handled. Lets an MpiError pass: after it the ranks cannot agree any more.
Outcome outcome_of_current_exception();

/// Throws AgreedError on all ranks if any rank failed. Collective; without failures one reduction of one
/// integer.
void agree(const Communicator& communicator, const Outcome& mine);

template <class F>
Outcome run(F&& work) {
  try {
    std::forward<F>(work)();
    return {};
  } catch (...) {
    return outcome_of_current_exception();
  }
}

}  // namespace detail

/// Runs `work` (which itself does not communicate, unless among ranks that fail together) on every rank and
/// returns its value. Collective. If it throws on any rank, all ranks throw the AgreedError with the message
/// of the lowest such rank, which is named in it, with its host, unless all ranks failed with the same
/// message or it is rank 0 with a UserError.
template <class F>
std::invoke_result_t<F&> collectively(const Communicator& communicator, F&& work) {
  using Value = std::invoke_result_t<F&>;
  if constexpr (std::is_void_v<Value>) {
    detail::agree(communicator, detail::run(work));
  } else {
    std::optional<Value> value;
    detail::agree(communicator, detail::run([&] { value.emplace(work()); }));
    return *std::move(value);
  }
}

/// Runs `work` on the root only. Collective: if it throws there, all ranks throw the AgreedError. Returns its
/// value on the root and nothing elsewhere.
template <class F>
auto on_root(const Communicator& communicator, F&& work) {
  using Value = std::invoke_result_t<F&>;
  if constexpr (std::is_void_v<Value>) {
    collectively(communicator, [&] {
      if (communicator.is_root()) work();
    });
  } else {
    return collectively(communicator, [&]() -> std::optional<Value> {
      if (!communicator.is_root()) return std::nullopt;
      return work();
    });
  }
}

/// Prints the message with rank and host to stderr and ends all ranks with `status`. Not collective: for
/// errors that the other ranks do not know of.
[[noreturn]] void abort_all(const Communicator& communicator, const std::string& message, ExitStatus status);

/// The same where there is no communicator yet.
[[noreturn]] void abort_all(const std::string& message, ExitStatus status);

/// The same without a message.
[[noreturn]] void end_all(const Communicator& communicator, ExitStatus status);

}  // namespace lockstep
