#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "lockstep/core/partition.hpp"
#include "lockstep/dist/communicator.hpp"
#include "lockstep/dist/shared_memory.hpp"

namespace lockstep {

/// How ranks of one node reach each other. The results do not depend on it.
enum class Transport {
  automatic,  // through shared memory where there is room for it, else by messages
  shared,     // through shared memory, or not at all
  messages,
};

/// The ranks in groups of equal size whose ranks share memory: the ranks of a node, as a rule. Rank r is
/// member r mod size of group ⌊r / size⌋; the members of all groups with the same number are a lane, over
/// which groups exchange messages. With `messages`, every rank is a group of its own.
struct RankGroups {
  Communicator group;
  Communicator lane;
  SharedMemory memory;
  std::string fallback;  // rank 0: why ranks of one node do not share memory although they were to; or empty

  std::size_t group_size() const { return static_cast<std::size_t>(group.size()); }
  std::size_t groups() const { return static_cast<std::size_t>(lane.size()); }
};

/// What a group needs.
struct GroupMemory {
  std::size_t bytes = 0;
  std::vector<Range> own_bytes;  // those that this rank writes first or most; none if it is of another group
};

/// Collective. `memory_of(first rank, group size)` is what a group needs; together the members' own bytes are
/// all. Throws AgreedError if `shared` is not possible.
RankGroups make_rank_groups(const Communicator& world, Transport transport,
                            const std::function<GroupMemory(std::size_t, std::size_t)>& memory_of);

}  // namespace lockstep
