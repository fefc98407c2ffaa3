#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace lockstep {

/// What containers and batch jobs leave a process of the machine; nothing where they do not limit it.
struct ControlGroupLimits {
  std::optional<std::size_t> memory_bytes;            ///< that all processes of the group may have together
  std::optional<std::size_t> available_memory_bytes;  ///< not in use; file caches make room, swap is left out
  std::optional<double> cores;                        ///< seconds of computing in a second
};

/// The limits of this process: the least of its group and of those around it, in Linux's control groups of
/// version 2 or 1 (Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of the kernel). `groups`
/// is the file that names the groups, `mount` where they are. Files that are not there limit nothing.
ControlGroupLimits control_group_limits(const std::string& groups = "/proc/self/cgroup",
                                        const std::string& mount = "/sys/fs/cgroup");

}  // namespace lockstep
