#include "lockstep/dist/recursive_halving.hpp"

#include <mpi.h>

#include <algorithm>
#include <bit>

#include "lockstep/core/checked_cast.hpp"
#include "lockstep/core/instruction_set.hpp"
#include "lockstep/dist/mpi_error.hpp"
#include "mpi_type.hpp"
#include "step_flags.hpp"

namespace lockstep {
namespace {

/// The lowest `bits` bits in reverse order.
std::size_t reverse_bits(std::size_t number, int bits) {
  std::size_t reversed = 0;
  for (int i = 0; i < bits; ++i) reversed |= (number >> i & 1) << (bits - 1 - i);
  return reversed;
}

}  // namespace

template <class T>
RecursiveHalving<T>::RecursiveHalving(const Communicator& communicator, const std::vector<Range>& slices)
    : communicator_(communicator.handle()), rank_(static_cast<std::size_t>(communicator.rank())), starts_{0} {
  const int rounds = std::countr_zero(slices.size());
  position_ = reverse_bits(rank_, rounds);
  for (std::size_t position = 0; position < slices.size(); ++position) {
    slices_.push_back(slices[reverse_bits(position, rounds)]);
    starts_.push_back(starts_.back() + slices_.back().size() + 1);
  }
  checked_cast<int>(starts_.back(), "the number of exchanged elements");
  sums_.resize(starts_.back());
  received_.resize(starts_.back());
}

template <class T>
StepFlags RecursiveHalving<T>::reduce(StepFlags mine,
                                      const std::function<void(Range elements, T* to)>& write) {
  for (std::size_t position = 0; position < slices_.size(); ++position) {
    write(slices_[position], sums_.data() + starts_[position]);
  }
  StepFlags flags = mine;
  Range positions{0, slices_.size()};
  for (std::size_t distance = 1; distance < slices_.size(); distance *= 2) {
    const std::size_t middle = positions.begin + positions.size() / 2;
    Range lower{positions.begin, middle}, upper{middle, positions.end};
    const bool keeps_upper = (rank_ & distance) != 0;
    positions = keeps_upper ? upper : lower;
    flags = exchange_half(rank_ ^ distance, keeps_upper ? lower : upper, positions, flags);
  }
  return flags;
}

template <class T>
StepFlags RecursiveHalving<T>::exchange_half(std::size_t partner, Range sent, Range kept, StepFlags flags) {
  const std::span<T> message = sums_at(sent), sums = sums_at(kept);
  write_flags(flags, &message.back());
  const int other = static_cast<int>(partner);
  check_mpi(MPI_Sendrecv(message.data(), static_cast<int>(message.size()), mpi_type<T>(), other, 0,
                         received_.data(), static_cast<int>(sums.size()), mpi_type<T>(), other, 0,
                         communicator_, MPI_STATUS_IGNORE),
            "MPI_Sendrecv");
  run_vectorized([sum = sums.data(), term = received_.data(), length = sums.size() - 1](auto) {
    for (std::size_t i = 0; i < length; ++i) sum[i] += term[i];
  });
  return flags | read_flags(&received_[sums.size() - 1]);
}

template <class T>
void RecursiveHalving<T>::gather(T* vector) {
  const auto in_vector = [&](std::size_t position) { return vector + slices_[position].begin; };
  const auto in_sums = [&](std::size_t position) { return sums_.data() + starts_[position]; };
  std::copy_n(in_vector(position_), slices_[position_].size(), in_sums(position_));
  Range known{position_, position_ + 1};
  for (std::size_t distance = slices_.size() / 2; distance > 0; distance /= 2) {
    const bool lower = known.begin / known.size() % 2 == 0;
    const Range other =
        lower ? Range{known.end, known.end + known.size()} : Range{known.begin - known.size(), known.begin};
    const std::span<T> message = sums_at(known), received = sums_at(other);
    const int partner = static_cast<int>(rank_ ^ distance);
    check_mpi(MPI_Sendrecv(message.data(), static_cast<int>(message.size()), mpi_type<T>(), partner, 0,
                           received.data(), static_cast<int>(received.size()), mpi_type<T>(), partner, 0,
                           communicator_, MPI_STATUS_IGNORE),
              "MPI_Sendrecv");
    known = {std::min(known.begin, other.begin), std::max(known.end, other.end)};
  }
  for (std::size_t position = 0; position < slices_.size(); ++position) {
    if (position != position_) std::copy_n(in_sums(position), slices_[position].size(), in_vector(position));
  }
}

template class RecursiveHalving<float>;
template class RecursiveHalving<double>;

}  // namespace lockstep
