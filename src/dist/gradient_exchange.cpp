#include "lockstep/dist/gradient_exchange.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <string>

#include "lockstep/core/checked_cast.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/mpi_error.hpp"
#include "mpi_type.hpp"
#include "step_flags.hpp"

namespace lockstep {
namespace {

Range own_part(std::size_t shards, std::size_t ranks, std::size_t rank) {
  if (ranks > shards) {
    throw UserError("--shards: " + std::to_string(shards) + " shards are too few for " +
                    std::to_string(ranks) + " ranks; every rank needs at least one");
  }
  return block_partition(shards, ranks, rank);
}

/// What all blocks before each boundary cost together.
std::vector<double> costs_before(const ParameterLayout& layout, std::span<const double> layer_costs) {
  std::vector<double> costs{0};
  std::size_t layer = 0;
  for (std::size_t block = 0; block < layout.blocks(); ++block) {
    while (layout.block_tensors()[block] >= layout.layer_tensors(layer).end) ++layer;
    const std::size_t elements = layout.block_starts()[block + 1] - layout.block_starts()[block];
    costs.push_back(costs.back() +
                    static_cast<double>(elements) * (layer_costs.empty() ? 1 : layer_costs[layer]));
  }
  return costs;
}

/// The index of the number nearest to `cost` in an ascending list that reaches it.
std::size_t nearest(const std::vector<double>& costs, double cost) {
  const auto above = std::lower_bound(costs.begin(), costs.end(), cost);
  const auto index = static_cast<std::size_t>(above - costs.begin());
  if (index == 0) return 0;
  return *above - cost < cost - *(above - 1) ? index : index - 1;
}

void set_parts(const std::vector<Range>& ranges, std::vector<int>& counts, std::vector<int>& starts) {
  for (const Range& range : ranges) {
    counts.push_back(checked_cast<int>(range.size(), "a slice's length"));
    starts.push_back(checked_cast<int>(range.begin, "the number of parameters"));
  }
}

std::vector<Range> nodes_of_ranks(std::size_t shards, std::size_t ranks, Range some) {
  return tree_nodes_inside(shards, {block_partition(shards, ranks, some.begin).begin,
                                    block_partition(shards, ranks, some.end - 1).end});
}

/// Where things stand in a group's memory, in bytes. What different ranks write starts on pages of its own.
struct MemoryPlan {
  std::size_t lines = 0, block_sums = 0, parameters = 0;
  /// (members) each one's own: its sums over tree nodes, or pages of the factors
  std::vector<std::size_t> parts;
  bool shares_factors = false;
  std::size_t total = 0;
};

MemoryPlan plan_memory(const ParameterLayout& layout, std::size_t element_size, std::size_t shards,
                       std::size_t ranks, Range members, std::size_t factor_elements) {
  constexpr std::size_t page_bytes = 4096;
  MemoryPlan plan;
  const auto place = [&](std::size_t bytes) {
    const std::size_t start = plan.total;
    plan.total += (bytes + page_bytes - 1) / page_bytes * page_bytes;
    return start;
  };
  plan.lines = place(members.size() * sizeof(RankBarrier::Line));
  plan.block_sums = place(2 * layout.blocks() * sizeof(double));
  plan.parameters = place(layout.size() * element_size);
  plan.shares_factors = factor_elements > 0 && members.size() == ranks;
  for (std::size_t rank = members.begin; rank < members.end; ++rank) {
    if (plan.shares_factors) {
      // One after the other, without gaps: all pages but the last are whole.
      const std::size_t pages = (factor_elements * element_size + page_bytes - 1) / page_bytes;
      plan.parts.push_back(place(block_partition(pages, ranks, rank).size() * page_bytes));
    } else {
      const std::size_t nodes = nodes_of_ranks(shards, ranks, {rank, rank + 1}).size();
      plan.parts.push_back(place(checked_product(nodes, layout.size()) * element_size));
    }
  }
  return plan;
}

/// What a member of the group, if it is one, writes most; the first one also what all of them write.
std::vector<Range> bytes_of_member(const MemoryPlan& plan, std::size_t member) {
  const std::size_t members = plan.parts.size();
  if (member >= members) return {};
  const Range of_shared = block_partition(plan.parts.front() - plan.parameters, members, member);
  const std::size_t end = member + 1 < members ? plan.parts[member + 1] : plan.total;
  std::vector<Range> bytes{{plan.parameters + of_shared.begin, plan.parameters + of_shared.end},
                           {plan.parts[member], end}};
  if (member == 0) bytes.push_back({0, plan.parameters});
  return bytes;
}

/// Starts of messages of the given lengths that follow one another. Returns their total length.
std::size_t set_starts(const std::vector<int>& counts, std::vector<int>& starts) {
  int end = 0;
  for (const int count : counts) {
    starts.push_back(end);
    end += count;
  }
  return static_cast<std::size_t>(end);
}

/// Throws OverflowError if any rank's send or receive buffer is too long for MPI. Looks at all ranks'
/// buffers, so that all ranks throw alike.   node_counts: (groups)
void check_buffer_lengths(const std::vector<Range>& slices, std::size_t group_size,
                          const std::vector<std::size_t>& node_counts) {
  const std::size_t groups = node_counts.size();
  const std::size_t all_nodes = std::accumulate(node_counts.begin(), node_counts.end(), std::size_t{0});
  for (std::size_t member = 0; member < group_size; ++member) {
    std::size_t lane_elements = 0;
    for (std::size_t group = 0; group < groups; ++group) {
      lane_elements += slices[group * group_size + member].size();
    }
    for (std::size_t group = 0; group < groups; ++group) {
      const std::size_t slice = slices[group * group_size + member].size();
      checked_cast<int>(checked_product(node_counts[group], lane_elements - slice) + groups,
                        "the number of exchanged elements");
      checked_cast<int>(checked_product(all_nodes - node_counts[group], slice) + groups,
                        "the number of exchanged elements");
    }
  }
}

}  // namespace

std::vector<Range> slice_blocks(const ParameterLayout& layout, std::size_t parts,
                                std::span<const double> layer_costs) {
  const std::vector<double> costs = costs_before(layout, layer_costs);
  std::vector<Range> blocks;
  std::size_t begin = 0;
  for (std::size_t part = 1; part <= parts; ++part) {
    const double share = static_cast<double>(part) / static_cast<double>(parts);
    const std::size_t end = part < parts ? nearest(costs, costs.back() * share) : layout.blocks();
    blocks.push_back({begin, end});
    begin = end;
  }
  return blocks;
}

template <class T>
GradientExchange<T>::GradientExchange(const Communicator& communicator, const ParameterLayout& layout,
                                      std::size_t shards, Reduction reduction, Transport transport,
                                      HalvingRule halving_rule, const SharedFactors& factors)
    : communicator_(&communicator),
      rank_(static_cast<std::size_t>(communicator.rank())),
      ranks_(static_cast<std::size_t>(communicator.size())),
      shards_(shards),
      reduction_(reduction),
      own_shards_(own_part(shards, ranks_, rank_)),
      groups_(make_rank_groups(communicator, transport,
                               [&](std::size_t first, std::size_t size) {
                                 const Range members{first, first + size};
                                 const MemoryPlan plan = plan_memory(layout, sizeof(T), shards, ranks_,
                                                                     members, factors.elements);
                                 return GroupMemory{plan.total, bytes_of_member(plan, rank_ - first)};
                               })),
      group_(rank_ / groups_.group_size()),
      member_(rank_ % groups_.group_size()),
      barrier_(nullptr, 0, 0),
      accumulator_(shards, own_shards_, 0, nullptr) {
  checked_cast<int>(layout.size(), "the number of parameters");
  take_memory(layout, factors.elements);
  blocks_ = slice_blocks(layout, ranks_, factors_.empty() ? std::span<const double>() : factors.layer_costs);
  for (const Range& blocks : blocks_) {
    slices_.push_back({layout.block_starts()[blocks.begin], layout.block_starts()[blocks.end]});
  }
  set_parts(slices_, slice_counts_, slice_starts_);
  collectively(communicator, [&] { plan_messages(halving_rule); });
}

template <class T>
void GradientExchange<T>::take_memory(const ParameterLayout& layout, std::size_t factor_elements) {
  const std::size_t first = group_ * groups_.group_size();
  const MemoryPlan plan =
      plan_memory(layout, sizeof(T), shards_, ranks_, {first, first + groups_.group_size()}, factor_elements);
  std::byte* const memory = groups_.memory.data();
  barrier_ =
      RankBarrier(reinterpret_cast<RankBarrier::Line*>(memory + plan.lines), groups_.group_size(), member_);
  block_sums_ = {reinterpret_cast<double*>(memory + plan.block_sums), 2 * layout.blocks()};
  parameters_ = {reinterpret_cast<T*>(memory + plan.parameters), layout.size()};
  if (plan.shares_factors) {
    factors_ = {reinterpret_cast<T*>(memory + plan.parts.front()), factor_elements};
  } else {
    for (const std::size_t start : plan.parts) member_sums_.push_back(reinterpret_cast<T*>(memory + start));
    accumulator_ = TreeAccumulator<T>(shards_, own_shards_, layout.size(), member_sums_[member_]);
  }
  groups_.group.barrier();
}

template <class T>
void GradientExchange<T>::plan_messages(HalvingRule halving_rule) {
  const std::size_t groups = groups_.groups(), size = groups_.group_size();
  std::vector<Range> lane_slices, lane_blocks;
  std::vector<std::size_t> node_counts;
  bool can_halve = groups > 1 && groups >= halving_rule.least_ranks && std::has_single_bit(groups) &&
                   parameters_.size() * sizeof(T) / ranks_ <= halving_rule.most_slice_bytes;
  for (std::size_t group = 0; group < groups; ++group) {
    lane_slices.push_back(slices_[group * size + member_]);
    lane_blocks.push_back(blocks_[group * size + member_]);
    const std::vector<Range> nodes = nodes_of_ranks(shards_, ranks_, {group * size, (group + 1) * size});
    node_counts.push_back(nodes.size());
    if (group == group_) own_group_nodes_ = nodes;
    // Then the tree above them pairs neighbours, and neighbours' neighbours.
    can_halve &= nodes.size() == 1 && nodes.front().size() * groups == shards_;
  }
  set_parts(lane_slices, lane_slice_counts_, lane_slice_starts_);
  set_parts(lane_blocks, lane_block_counts_, lane_block_starts_);
  if (reduction_ == Reduction::reproducible && can_halve) {
    halving_.emplace(groups_.lane, lane_slices);
  } else if (reduction_ == Reduction::reproducible) {
    check_buffer_lengths(slices_, size, node_counts);
    for (std::size_t group = 0; group < groups; ++group) {
      const bool self = group == group_;  // its sums stay where they are
      send_counts_.push_back(self ? 0
                                  : static_cast<int>(node_counts[group_] * lane_slices[group].size() + 1));
      receive_counts_.push_back(self ? 0 : static_cast<int>(node_counts[group] * own_slice().size() + 1));
    }
    send_.resize(set_starts(send_counts_, send_starts_));
    receive_.resize(set_starts(receive_counts_, receive_starts_));
  }
  if (!factors_.empty()) return;
  group_sums_ = TreeChunks<T>(parts_of_group(), chunk_elements);
  slice_sums_ = TreeChunks<T>(parts_of_slice(), chunk_elements);
}

/// The sums of the group's ranks.
template <class T>
std::vector<NodeSum<T>> GradientExchange<T>::parts_of_group() const {
  std::vector<NodeSum<T>> parts;
  const std::size_t first = group_ * groups_.group_size();
  for (std::size_t member = 0; member < groups_.group_size(); ++member) {
    const T* sum = member_sums_[member];
    for (const Range& node : nodes_of_ranks(shards_, ranks_, {first + member, first + member + 1})) {
      parts.push_back({node, sum});
      sum += parameters_.size();
    }
  }
  return parts;
}

/// What makes up the sum over all shards of the own slice: the sums of the group's ranks, and what other
/// groups send. An allreduce leaves the whole sum with every rank.
template <class T>
std::vector<NodeSum<T>> GradientExchange<T>::parts_of_slice() const {
  const std::size_t begin = own_slice().begin, size = groups_.group_size();
  if (reduction_ == Reduction::allreduce) return {{{0, shards_}, member_sums_[member_] + begin}};
  if (halving_) return {{{0, shards_}, halving_->own_sum()}};
  std::vector<NodeSum<T>> parts;
  for (std::size_t group = 0; group < groups_.groups(); ++group) {
    if (group == group_) {
      for (const NodeSum<T>& part : parts_of_group()) parts.push_back({part.node, part.sum + begin});
      continue;
    }
    const T* sum = receive_.data() + receive_starts_[group];
    for (const Range& node : nodes_of_ranks(shards_, ranks_, {group * size, (group + 1) * size})) {
      parts.push_back({node, sum});
      sum += own_slice().size();
    }
  }
  return parts;
}

template <class T>
StepFlags GradientExchange<T>::share_sums(StepFlags mine) {
  if (reduction_ == Reduction::allreduce) return reduce_by_allreduce(mine);
  const StepFlags flags_of_group = barrier_.wait(mine);
  return groups_.groups() == 1 ? flags_of_group : exchange_sums(flags_of_group);
}

template <class T>
StepFlags GradientExchange<T>::exchange_sums(StepFlags flags_of_group) {
  if (halving_) {
    return halving_->reduce(
        flags_of_group, [&](Range slice, T* to) { write_group_sum(own_group_nodes_.front(), slice, to); });
  }
  pack(flags_of_group);
  check_mpi(
      MPI_Alltoallv(send_.data(), send_counts_.data(), send_starts_.data(), mpi_type<T>(), receive_.data(),
                    receive_counts_.data(), receive_starts_.data(), mpi_type<T>(), groups_.lane.handle()),
      "MPI_Alltoallv");
  StepFlags all = flags_of_group;
  for (std::size_t group = 0; group < groups_.groups(); ++group) {
    if (group == group_) continue;
    all |= read_flags(receive_.data() + receive_starts_[group] + receive_counts_[group] - 1);
  }
  return all;
}

template <class T>
void GradientExchange<T>::pack(StepFlags flags_of_group) {
  for (std::size_t group = 0; group < groups_.groups(); ++group) {
    if (group == group_) continue;
    const Range slice = slices_[group * groups_.group_size() + member_];
    T* message = send_.data() + send_starts_[group];
    for (const Range& node : own_group_nodes_) message = write_group_sum(node, slice, message);
    write_flags(flags_of_group, message);
  }
}

/// The group's sum over a node of the tree, for some elements of the flat vector. Returns the end.
template <class T>
T* GradientExchange<T>::write_group_sum(Range node, Range elements, T* to) {
  for (std::size_t begin = elements.begin; begin < elements.end; begin += chunk_elements) {
    const Range chunk{begin, std::min(begin + chunk_elements, elements.end)};
    to = std::copy_n(group_sums_.sum(node, chunk), chunk.size(), to);
  }
  return to;
}

template <class T>
StepFlags GradientExchange<T>::reduce_by_allreduce(StepFlags mine) {
  T* const sum = accumulator_.node_sum(0);
  for (std::size_t node = 1; node < accumulator_.nodes().size(); ++node) {
    const T* const term = accumulator_.node_sum(node);
    for (std::size_t i = 0; i < parameters_.size(); ++i) sum[i] += term[i];
  }
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, sum, static_cast<int>(parameters_.size()), mpi_type<T>(), MPI_SUM,
                          communicator_->handle()),
            "MPI_Allreduce");
  StepFlags all = mine;
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_UINT32_T, MPI_BOR, communicator_->handle()),
            "MPI_Allreduce");
  return all;
}

template <class T>
StepFlags GradientExchange<T>::share_slices(StepFlags mine) {
  if (halving_) {
    halving_->gather(parameters_.data());
  } else if (groups_.groups() > 1) {
    check_mpi(MPI_Allgatherv(MPI_IN_PLACE, 0, mpi_type<T>(), parameters_.data(), lane_slice_counts_.data(),
                             lane_slice_starts_.data(), mpi_type<T>(), groups_.lane.handle()),
              "MPI_Allgatherv");
  }
  return barrier_.wait(mine);
}

template <class T>
void GradientExchange<T>::complete_block_sums(std::span<double> block_sums) {
  // A rank that is ahead by one round writes the other half. It cannot be ahead by two: each has a barrier.
  const std::span<double> shared =
      block_sums_.subspan(block_sum_rounds_++ % 2 * block_sums.size(), block_sums.size());
  std::copy_n(block_sums.data() + own_blocks().begin, own_blocks().size(),
              shared.data() + own_blocks().begin);
  if (groups_.groups() > 1) {
    check_mpi(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DOUBLE, shared.data(), lane_block_counts_.data(),
                             lane_block_starts_.data(), MPI_DOUBLE, groups_.lane.handle()),
              "MPI_Allgatherv");
  }
  barrier_.wait();
  std::copy(shared.begin(), shared.end(), block_sums.begin());
}

template <class T>
void GradientExchange<T>::gather_to_root(std::span<const T> own_slice, std::vector<T>& full) const {
  if (communicator_->is_root()) full.resize(parameters_.size());
  check_mpi(
      MPI_Gatherv(own_slice.data(), slice_counts_[rank_], mpi_type<T>(), full.data(), slice_counts_.data(),
                  slice_starts_.data(), mpi_type<T>(), 0, communicator_->handle()),
      "MPI_Gatherv");
}

template <class T>
void GradientExchange<T>::scatter_from_root(std::span<const T> full, std::span<T> own_slice) const {
  check_mpi(MPI_Scatterv(full.data(), slice_counts_.data(), slice_starts_.data(), mpi_type<T>(),
                         own_slice.data(), slice_counts_[rank_], mpi_type<T>(), 0, communicator_->handle()),
            "MPI_Scatterv");
}

template <class T>
std::string GradientExchange<T>::transport() const {
  if (ranks_ == 1) return "none";
  if (groups_.groups() == 1) return "shared memory";
  return groups_.group_size() == 1 ? "messages" : "shared memory and messages";
}

template class GradientExchange<float>;
template class GradientExchange<double>;

}  // namespace lockstep
