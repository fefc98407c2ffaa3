#include "lockstep/dist/rank_groups.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "lockstep/core/error.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/mpi_error.hpp"
#include "lockstep/dist/node_order.hpp"

namespace lockstep {
namespace {

using MemoryBytes = std::function<std::size_t(std::size_t, std::size_t)>;

/// What the groups of this rank's node need together.
std::size_t bytes_on_node(const std::vector<std::int32_t>& nodes, std::int32_t node, std::size_t group_size,
                          const MemoryBytes& memory_bytes) {
  std::size_t bytes = 0;
  for (std::size_t first = 0; first < nodes.size(); first += group_size) {
    if (nodes[first] == node) bytes += memory_bytes(first, group_size);
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

/// Nothing, and the reason, if any group has no shared memory. Collective.
std::optional<RankGroups> try_groups(const Communicator& world, std::size_t size,
                                     const MemoryBytes& memory_bytes, std::string& reason) {
  const auto rank = static_cast<std::size_t>(world.rank());
  Communicator group = world.split(static_cast<int>(rank / size));
  Communicator lane = world.split(static_cast<int>(rank % size));
  std::optional<SharedMemory> memory;
  std::string mine;
  try {
    memory.emplace(group, memory_bytes(rank - rank % size, size));
  } catch (const MpiError& error) {
    mine = error.what();
  }
  reason = all_reasons(world, mine);
  if (!reason.empty()) return std::nullopt;
  return RankGroups{std::move(group), std::move(lane), *std::move(memory), ""};
}

}  // namespace

RankGroups make_rank_groups(const Communicator& world, Transport transport, const MemoryBytes& memory_bytes) {
  std::size_t size = 1;
  std::string reason;
  if (transport != Transport::messages) {
    const std::int32_t node = world.node();
    const std::vector<std::int32_t> nodes = world.all_gather_v(std::span(&node, 1));
    size = largest_group_size(nodes);
    if (size == 1 && world.nodes() < world.size()) {
      reason = "the numbers of ranks on the nodes have no common divisor";
    } else if (size > 1) {
      reason = all_reasons(world, shared_memory_shortage(bytes_on_node(nodes, node, size, memory_bytes)));
    }
    if (size > 1 && reason.empty()) {
      if (auto groups = try_groups(world, size, memory_bytes, reason)) return *std::move(groups);
    }
    if (!reason.empty() && transport == Transport::shared) {
      collectively(world, [&] {
        throw UserError("--transport shared: ranks of a node cannot share memory: " + reason);
      });
    }
  }
  std::string unused;
  RankGroups groups = *try_groups(world, 1, memory_bytes, unused);
  groups.fallback = reason;
  return groups;
}

}  // namespace lockstep
