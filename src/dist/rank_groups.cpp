#include "lockstep/dist/rank_groups.hpp"

#include <algorithm>
#include <cstdint>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/mpi_error.hpp"
#include "lockstep/dist/node_order.hpp"

namespace lockstep {
namespace {

using MemoryOf = std::function<GroupMemory(std::size_t, std::size_t)>;

/// What the groups of this rank's node need together.
std::size_t bytes_on_node(const std::vector<std::int32_t>& nodes, std::int32_t node, std::size_t group_size,
                          const MemoryOf& memory_of) {
  std::size_t bytes = 0;
  for (std::size_t first = 0; first < nodes.size(); first += group_size) {
    if (nodes[first] == node) bytes += memory_of(first, group_size).bytes;
  }
  return bytes;
}

/// The reasons of all ranks, each once; the same text on all ranks, empty if there are none. Collective.
std::string all_reasons(const Communicator& world, const std::string& mine) {
  if (world.all_reduce_max(mine.empty() ? 0 : 1) == 0) return "";
  std::vector<std::string> reasons = world.gather_text(mine);
  std::sort(reasons.begin(), reasons.end());
  reasons.erase(std::unique(reasons.begin(), reasons.end()), reasons.end());
  std::string text;
  for (const std::string& reason : reasons) {
    if (!reason.empty()) text += (text.empty() ? "" : "; ") + reason;
  }
  return world.broadcast(text);
}

/// Whether this rank got them.
bool take_own_bytes(const SharedMemory& memory, const GroupMemory& wanted) {
  return std::all_of(wanted.own_bytes.begin(), wanted.own_bytes.end(), [&](const Range& bytes) {
    return take_pages({memory.data() + bytes.begin, bytes.size()});
  });
}

/// Nothing, and the reason, if any group has no shared memory. Collective.
std::optional<RankGroups> try_groups(const Communicator& world, std::size_t size, const MemoryOf& memory_of,
                                     std::string& reason) {
  const auto rank = static_cast<std::size_t>(world.rank());
  Communicator group = world.split(static_cast<int>(rank / size));
  Communicator lane = world.split(static_cast<int>(rank % size));
  std::optional<SharedMemory> memory;
  std::string mine;
  const GroupMemory wanted = memory_of(rank - rank % size, size);
  try {
    memory.emplace(group, wanted.bytes);
    if (size > 1 && !take_own_bytes(*memory, wanted)) {
      mine = "there was no room left for " + format_bytes(wanted.bytes) + " of it";
    }
  } catch (const MpiError& error) {
    mine = error.what();
  } catch (const std::bad_alloc&) {
    mine = "out of memory: expected " + format_bytes(wanted.bytes) + " for weights and sums of gradients";
  }
  reason = all_reasons(world, mine);
  // Jobs that start at the same time see the same room: what they all leave counts.
  if (reason.empty() && size > 1) reason = all_reasons(world, shared_memory_shortage(0));
  if (!reason.empty()) return std::nullopt;
  return RankGroups{std::move(group), std::move(lane), *std::move(memory), ""};
}

}  // namespace

RankGroups make_rank_groups(const Communicator& world, Transport transport, const MemoryOf& memory_of) {
  std::size_t size = 1;
  std::string reason;
  if (transport != Transport::messages) {
    const std::int32_t node = world.node();
    const std::vector<std::int32_t> nodes = world.all_gather_v(std::span(&node, 1));
    size = largest_group_size(nodes);
    if (size == 1 && world.nodes() < world.size()) {
      reason = "the numbers of ranks on the nodes have no common divisor";
    } else if (size > 1) {
      reason = all_reasons(world, shared_memory_shortage(bytes_on_node(nodes, node, size, memory_of)));
    }
    if (size > 1 && reason.empty()) {
      if (auto groups = try_groups(world, size, memory_of, reason)) return *std::move(groups);
    }
    if (!reason.empty() && transport == Transport::shared) {
      collectively(world, [&] {
        throw UserError("--transport shared: ranks of a node cannot share memory: " + reason);
      });
    }
  }
  std::string failure;
  std::optional<RankGroups> groups = try_groups(world, 1, memory_of, failure);
  if (!groups) collectively(world, [&] { throw std::runtime_error(failure); });
  groups->fallback = reason;
  return *std::move(groups);
}

}  // namespace lockstep
