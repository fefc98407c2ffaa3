#include "lockstep/core/control_group.hpp"

#include <algorithm>
#include <fstream>
#include <vector>

namespace lockstep {
namespace {

template <class V>
std::optional<V> read_number(const std::string& path) {
  std::ifstream file(path);
  V number{};
  if (!(file >> number)) return std::nullopt;  // "max" is no number
  return number;
}

/// The sum of the entries called `first` and `second` in a file of lines "name number"; 0 where it is not
/// there.
std::size_t sum_of_entries(const std::string& path, const std::string& first, const std::string& second) {
  std::ifstream file(path);
  std::string name;
  std::size_t number = 0, sum = 0;
  while (file >> name >> number) {
    if (name == first || name == second) sum += number;
  }
  return sum;
}

template <class V>
void take_lower(std::optional<V>& limit, std::optional<V> found) {
  if (found && (!limit || *found < *limit)) limit = found;
}

void take_memory(ControlGroupLimits& limits, std::optional<std::size_t> limit, std::size_t used) {
  if (!limit) return;
  take_lower(limits.memory_bytes, limit);
  take_lower(limits.available_memory_bytes, std::optional(*limit - std::min(*limit, used)));
}

void take_limits_v2(ControlGroupLimits& limits, const std::string& group) {
  take_memory(limits, read_number<std::size_t>(group + "/memory.max"),
              sum_of_entries(group + "/memory.stat", "anon", "shmem"));
  std::ifstream file(group + "/cpu.max");
  double quota = 0, period = 0;
  if (file >> quota >> period && period > 0) take_lower(limits.cores, std::optional(quota / period));
}

void take_memory_v1(ControlGroupLimits& limits, const std::string& group) {
  constexpr std::size_t unlimited = std::size_t{1} << 60;  // a number of pages that no machine has
  const auto limit = read_number<std::size_t>(group + "/memory.limit_in_bytes");
  if (limit && *limit >= unlimited) return;
  take_memory(limits, limit, sum_of_entries(group + "/memory.stat", "total_rss", "total_shmem"));
}

void take_cores_v1(ControlGroupLimits& limits, const std::string& group) {
  const auto quota = read_number<double>(group + "/cpu.cfs_quota_us");  // -1: no limit
  const auto period = read_number<double>(group + "/cpu.cfs_period_us");
  if (quota && period && *quota > 0 && *period > 0) take_lower(limits.cores, std::optional(*quota / *period));
}

/// The group and those around it. In a container, the names may be those of the host, whose groups are not
/// seen here: then only the last, which is the container's, has files.
std::vector<std::string> with_ancestors(const std::string& mount, std::string group) {
  std::vector<std::string> directories;
  for (; group.size() > 1; group.erase(group.rfind('/'))) directories.push_back(mount + group);
  directories.push_back(mount);
  return directories;
}

bool contains(const std::string& list, const std::string& name) {
  return ("," + list + ",").find("," + name + ",") != std::string::npos;
}

}  // namespace

ControlGroupLimits control_group_limits(const std::string& groups, const std::string& mount) {
  ControlGroupLimits limits;
  std::ifstream file(groups);
  // hierarchy:controllers:group; of version 2 there is one hierarchy, and it names no controllers.
  for (std::string hierarchy, controllers, group; std::getline(file, hierarchy, ':') &&
                                                  std::getline(file, controllers, ':') &&
                                                  std::getline(file, group);) {
    if (group.empty() || group.front() != '/') continue;
    if (controllers.empty()) {
      for (const std::string& directory : with_ancestors(mount, group)) take_limits_v2(limits, directory);
    }
    if (contains(controllers, "memory")) {
      for (const std::string& directory : with_ancestors(mount + "/memory", group))
        take_memory_v1(limits, directory);
    }
    if (contains(controllers, "cpu")) {
      for (const std::string& directory : with_ancestors(mount + "/cpu", group))
        take_cores_v1(limits, directory);
    }
  }
  return limits;
}

}  // namespace lockstep
