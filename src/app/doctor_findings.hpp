#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/core/products.hpp"
#include "lockstep/dist/communicator.hpp"

namespace lockstep {

/// Something that makes runs fail or slow, and the command that mends it.
struct Finding {
  enum class Level { error, warning, advice };
  Level level = Level::advice;
  std::string found;
  std::string mend;
};

/// A launcher that started several programs of which MPI makes no job: each would do all of the work.
std::optional<Finding> find_separate_programs(const Communicator& world);
/// Throws AgreedError then. Collective.
void refuse_separate_programs(const Communicator& world);
/// Cores that this process may use; 0 if that is not known.
int cores_of_this_rank();
/// OpenBLAS, where it can be loaded.
std::optional<BlasIdentity> find_blas(std::string* why_not = nullptr);
/// What this process finds on its own host. Not collective.
std::vector<Finding> examine_host(const Communicator& world);
/// What shows only when hosts are compared; with a dataset file `data` (empty: none) also why this rank
/// cannot read it, or that hosts have different rows. Collective.
std::vector<Finding> compare_hosts(const Communicator& world, const std::string& data);
/// The findings of all ranks on rank 0, equal ones of one host once: [{"level", "hosts", "found", "mend"}],
/// errors first. Collective.
nlohmann::ordered_json gather_findings(const Communicator& world, const std::vector<Finding>& mine);

}  // namespace lockstep
