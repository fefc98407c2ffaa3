#include "lockstep/app/launch_plan.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"

namespace lockstep {
namespace {

constexpr std::size_t failures_at_one_step = 3;
constexpr std::chrono::duration<double> longest_delay{60};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> found = split(text, ' ');
  std::erase(found, "");
  return found;
}

std::string joined_hosts(const std::vector<HostSlots>& hosts, bool with_slots) {
  std::string text;
  for (const HostSlots& host : hosts) {
    text += (text.empty() ? "" : ",") + host.name + (with_slots ? ":" + std::to_string(host.slots) : "");
  }
  return text;
}

}  // namespace

std::vector<HostSlots> parse_hosts(const std::string& text, std::size_t ranks) {
  std::vector<HostSlots> hosts;
  const std::vector<std::string> parts = split(text, ',');
  const std::size_t share =
      (ranks + std::max<std::size_t>(parts.size(), 1) - 1) / std::max<std::size_t>(parts.size(), 1);
  for (const std::string& part : parts) {
    const std::size_t colon = part.find(':');
    HostSlots host{part.substr(0, colon), share};
    if (colon != std::string::npos) {
      const char* const begin = part.data() + colon + 1;
      const char* const end = part.data() + part.size();
      const auto parsed = std::from_chars(begin, end, host.slots);
      if (parsed.ec != std::errc() || parsed.ptr != end || host.slots == 0) host.name.clear();
    }
    if (host.name.empty()) throw UserError("--hosts: expected names as a:2,b:2, found " + in_quotes(text));
    hosts.push_back(host);
  }
  if (hosts.empty()) throw UserError("--hosts: expected names as a:2,b:2, found " + in_quotes(text));
  return hosts;
}

std::size_t total_slots(const std::vector<HostSlots>& hosts) {
  std::size_t total = 0;
  for (const HostSlots& host : hosts) total += host.slots;
  return total;
}

std::string srun_of(const std::string& launcher) {
  const std::vector<std::string> command = words(launcher);
  const bool is_srun = !command.empty() && std::filesystem::path(command.front()).filename() == "srun";
  return is_srun ? command.front() : "";
}

std::vector<std::string> launcher_command(const std::string& launcher, std::size_t ranks,
                                          const std::vector<HostSlots>& hosts,
                                          const std::vector<std::string>& program) {
  std::vector<std::string> command = words(launcher);
  if (command.empty()) throw UserError("--launcher: expected mpirun or srun, found nothing");
  const bool srun = !srun_of(launcher).empty();
  command.insert(command.end(), {"-n", std::to_string(ranks)});
  if (srun) {
    // The ranks end together, as under mpirun.
    command.push_back("--kill-on-bad-exit=1");
    // In an allocation of more hosts, Slurm would take others besides.
    if (!hosts.empty()) {
      command.insert(command.end(),
                     {"--nodes=" + std::to_string(hosts.size()), "--nodelist=" + joined_hosts(hosts, false)});
    }
  } else {
    if (!hosts.empty()) command.insert(command.end(), {"--host", joined_hosts(hosts, true)});
    // A host that is gone is noticed within seconds.
    for (const auto& [name, value] :
         {std::pair("oob_tcp_keepalive_time", "10"), std::pair("oob_tcp_keepalive_intvl", "5"),
          std::pair("oob_tcp_keepalive_probes", "3")}) {
      command.insert(command.end(), {"--mca", name, value});
    }
  }
  command.insert(command.end(), program.begin(), program.end());
  return command;
}

RestartPolicy::RestartPolicy(std::size_t max_restarts, std::chrono::duration<double> first_delay)
    : max_restarts_(max_restarts), first_delay_(first_delay) {}

std::optional<std::chrono::duration<double>> RestartPolicy::after_failure(std::optional<std::uint64_t> step) {
  const bool progress = failures_at_step_ > 0 && step != last_step_;
  failures_at_step_ = progress ? 1 : failures_at_step_ + 1;
  last_step_ = step;
  if (failures_at_step_ == failures_at_one_step) {
    reason_ = "it failed " + std::to_string(failures_at_one_step) + " times without progress";
    return std::nullopt;
  }
  if (restarts_ == max_restarts_) {
    reason_ = "--max-restarts " + std::to_string(max_restarts_) + " are used up";
    return std::nullopt;
  }
  ++restarts_;
  return std::min(longest_delay, first_delay_ * std::exp2(static_cast<double>(failures_at_step_ - 1)));
}

}  // namespace lockstep
