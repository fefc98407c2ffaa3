#include "lockstep/dist/communicator.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <numeric>
#include <thread>
#include <utility>

#include "lockstep/core/checked_cast.hpp"
#include "lockstep/dist/mpi_error.hpp"
#include "lockstep/dist/node_order.hpp"
#include "mpi_type.hpp"

namespace lockstep {
namespace {

int rank_in(MPI_Comm communicator) {
  int rank = 0;
  check_mpi(MPI_Comm_rank(communicator, &rank), "MPI_Comm_rank");
  return rank;
}

int size_of(MPI_Comm communicator) {
  int size = 0;
  check_mpi(MPI_Comm_size(communicator, &size), "MPI_Comm_size");
  return size;
}

/// The lowest rank of MPI_COMM_WORLD on the node of each rank of MPI_COMM_WORLD.
std::vector<int> first_ranks_of_nodes() {
  MPI_Comm node = MPI_COMM_NULL;
  const int rank = rank_in(MPI_COMM_WORLD);
  check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node),
            "MPI_Comm_split_type");
  int first = rank;
  check_mpi(MPI_Bcast(&first, 1, MPI_INT, 0, node), "MPI_Bcast");
  check_mpi(MPI_Comm_free(&node), "MPI_Comm_free");

  std::vector<int> firsts(static_cast<std::size_t>(size_of(MPI_COMM_WORLD)));
  check_mpi(MPI_Allgather(&first, 1, MPI_INT, firsts.data(), 1, MPI_INT, MPI_COMM_WORLD), "MPI_Allgather");
  return firsts;
}

std::string processor_name() {
  std::array<char, MPI_MAX_PROCESSOR_NAME> name{};
  int length = 0;
  check_mpi(MPI_Get_processor_name(name.data(), &length), "MPI_Get_processor_name");
  return {name.data(), static_cast<std::size_t>(length)};
}

std::int64_t all_reduce(std::int64_t mine, MPI_Op operation, MPI_Comm communicator) {
  std::int64_t result = 0;
  check_mpi(MPI_Allreduce(&mine, &result, 1, MPI_INT64_T, operation, communicator), "MPI_Allreduce");
  return result;
}

/// Lengths and starts of the ranks' parts in their concatenation.
struct Parts {
  std::vector<int> counts;
  std::vector<int> starts;
  std::size_t total = 0;
};

/// Every rank learns all lengths, so that a total that is too large is refused on all of them.
Parts exchange_lengths(std::size_t mine, const Communicator& communicator) {
  const auto length = static_cast<std::uint64_t>(mine);
  std::vector<std::uint64_t> lengths(static_cast<std::size_t>(communicator.size()));
  check_mpi(MPI_Allgather(&length, 1, MPI_UINT64_T, lengths.data(), 1, MPI_UINT64_T, communicator.handle()),
            "MPI_Allgather");
  const auto total = std::accumulate(lengths.begin(), lengths.end(), std::uint64_t{0});
  checked_cast<int>(total, "the number of gathered elements");

  Parts parts;
  for (const std::uint64_t part : lengths) {
    parts.counts.push_back(static_cast<int>(part));
    parts.starts.push_back(static_cast<int>(parts.total));
    parts.total += part;
  }
  return parts;
}

std::vector<std::string> cut(const std::string& all, const Parts& parts) {
  std::vector<std::string> texts;
  for (std::size_t rank = 0; rank < parts.counts.size(); ++rank) {
    texts.push_back(all.substr(static_cast<std::size_t>(parts.starts[rank]),
                               static_cast<std::size_t>(parts.counts[rank])));
  }
  return texts;
}

}  // namespace

Communicator Communicator::world() {
  const std::vector<int> firsts = first_ranks_of_nodes();
  const auto world_rank = static_cast<std::size_t>(rank_in(MPI_COMM_WORLD));
  const NodePosition position = node_position(firsts, world_rank);

  Communicator world;
  check_mpi(MPI_Comm_split(MPI_COMM_WORLD, 0, position.rank, &world.handle_), "MPI_Comm_split");
  check_mpi(MPI_Comm_set_errhandler(world.handle_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  world.rank_ = position.rank;
  world.size_ = size_of(world.handle_);
  world.node_ = position.node;
  world.nodes_ = position.nodes;
  world.host_ = processor_name();
  return world;
}

Communicator::Communicator(Communicator&& other) noexcept
    : handle_(std::exchange(other.handle_, MPI_COMM_NULL)),
      rank_(other.rank_),
      size_(other.size_),
      node_(other.node_),
      nodes_(other.nodes_),
      host_(std::move(other.host_)) {}

Communicator::~Communicator() {
  // MPI_Comm_free is collective: while an exception passes, the other ranks may be elsewhere.
  if (handle_ != MPI_COMM_NULL && std::uncaught_exceptions() == 0) MPI_Comm_free(&handle_);
}

Communicator Communicator::split(int color) const {
  Communicator part;
  check_mpi(MPI_Comm_split(handle_, color, rank_, &part.handle_), "MPI_Comm_split");
  check_mpi(MPI_Comm_set_errhandler(part.handle_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  part.rank_ = rank_in(part.handle_);
  part.size_ = size_of(part.handle_);
  part.node_ = node_;
  part.nodes_ = nodes_;
  part.host_ = host_;
  return part;
}

void Communicator::barrier() const {
  check_mpi(MPI_Barrier(handle_), "MPI_Barrier");
}

void Communicator::patient_barrier(const std::function<void()>& meanwhile) const {
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Ibarrier(handle_, &request), "MPI_Ibarrier");
  for (int done = 0; done == 0;) {
    check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    if (done != 0) return;
    meanwhile();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

std::string Communicator::broadcast(std::string text, int root) const {
  std::uint64_t length = text.size();
  broadcast(std::span(&length, 1), root);
  text.resize(length);
  check_mpi(MPI_Bcast(text.data(), checked_cast<int>(length, "a text's length"), MPI_CHAR, root, handle_),
            "MPI_Bcast");
  return text;
}

template <class T>
void Communicator::broadcast(std::span<T> values, int root) const {
  const int count = checked_cast<int>(values.size(), "the number of broadcast elements");
  check_mpi(MPI_Bcast(values.data(), count, mpi_type<T>(), root, handle_), "MPI_Bcast");
}

template <class T>
std::vector<T> Communicator::all_gather_v(std::span<const T> mine) const {
  const Parts parts = exchange_lengths(mine.size(), *this);
  std::vector<T> all(parts.total);
  check_mpi(MPI_Allgatherv(mine.data(), static_cast<int>(mine.size()), mpi_type<T>(), all.data(),
                           parts.counts.data(), parts.starts.data(), mpi_type<T>(), handle_),
            "MPI_Allgatherv");
  return all;
}

std::vector<std::string> Communicator::gather_text(const std::string& mine) const {
  const Parts parts = exchange_lengths(mine.size(), *this);
  std::string all(is_root() ? parts.total : 0, '\0');
  check_mpi(MPI_Gatherv(mine.data(), static_cast<int>(mine.size()), MPI_CHAR, all.data(), parts.counts.data(),
                        parts.starts.data(), MPI_CHAR, 0, handle_),
            "MPI_Gatherv");
  return is_root() ? cut(all, parts) : std::vector<std::string>{};
}

std::vector<std::string> Communicator::all_gather_text(const std::string& mine) const {
  const Parts parts = exchange_lengths(mine.size(), *this);
  std::string all(parts.total, '\0');
  check_mpi(MPI_Allgatherv(mine.data(), static_cast<int>(mine.size()), MPI_CHAR, all.data(),
                           parts.counts.data(), parts.starts.data(), MPI_CHAR, handle_),
            "MPI_Allgatherv");
  return cut(all, parts);
}

std::int64_t Communicator::all_reduce_max(std::int64_t mine) const {
  return all_reduce(mine, MPI_MAX, handle_);
}
std::int64_t Communicator::all_reduce_min(std::int64_t mine) const {
  return all_reduce(mine, MPI_MIN, handle_);
}
std::int64_t Communicator::all_reduce_sum(std::int64_t mine) const {
  return all_reduce(mine, MPI_SUM, handle_);
}

std::size_t Communicator::node_sum(std::size_t mine) const {
  const std::uint64_t node_and_mine[] = {static_cast<std::uint64_t>(node_), mine};
  const std::vector<std::uint64_t> all = all_gather_v<std::uint64_t>(node_and_mine);
  std::size_t sum = 0;
  for (std::size_t i = 0; i < all.size(); i += 2) {
    if (all[i] == node_and_mine[0]) sum += all[i + 1];
  }
  return sum;
}

template void Communicator::broadcast(std::span<float>, int) const;
template void Communicator::broadcast(std::span<double>, int) const;
template void Communicator::broadcast(std::span<std::int32_t>, int) const;
template void Communicator::broadcast(std::span<std::int64_t>, int) const;
template void Communicator::broadcast(std::span<std::uint64_t>, int) const;
template std::vector<float> Communicator::all_gather_v(std::span<const float>) const;
template std::vector<double> Communicator::all_gather_v(std::span<const double>) const;
template std::vector<std::int32_t> Communicator::all_gather_v(std::span<const std::int32_t>) const;
template std::vector<std::int64_t> Communicator::all_gather_v(std::span<const std::int64_t>) const;
template std::vector<std::uint64_t> Communicator::all_gather_v(std::span<const std::uint64_t>) const;

}  // namespace lockstep
