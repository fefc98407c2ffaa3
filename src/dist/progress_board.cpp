#include "lockstep/dist/progress_board.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "lockstep/core/text.hpp"

namespace lockstep {
namespace {

constexpr std::size_t line_bytes = 128;

/// Ranks that share memory. One window more needs little room, but writing to one that has none ends the
/// process.
Communicator ranks_to_watch(const Communicator& world) {
  const std::size_t bytes = static_cast<std::size_t>(world.size()) * line_bytes;
  const bool short_of_memory = world.all_reduce_max(shared_memory_shortage(bytes).empty() ? 0 : 1) != 0;
  return world.split(short_of_memory ? world.rank() : world.node());
}

std::string text_of(Phase phase, std::uint64_t step) {
  const std::string next = std::to_string(step + 1), last = std::to_string(step);
  switch (phase) {
    case Phase::opening:
      return "opening the data and the run directory";
    case Phase::drawing_weights:
      return "drawing the first weights";
    case Phase::reading_data:
      return "reading the data";
    case Phase::starting:
      return "starting";
    case Phase::evaluating:
      return "evaluating after step " + last;
    case Phase::waiting_for_evaluation:
      return "waiting for the evaluation after step " + last;
    case Phase::writing_checkpoint:
      return "writing the checkpoint of step " + last;
    case Phase::waiting_for_checkpoint:
      return "waiting for the checkpoint of step " + last;
    case Phase::computing:
      return "computing step " + next;
    case Phase::adding_gradients:
      return "adding up the gradients of step " + next;
    case Phase::updating:
      return "updating its weights in step " + next;
    case Phase::sharing_weights:
      return "sharing the weights of step " + next;
    case Phase::asking_root:
      return "asking rank 0 for trials, or telling it of one";
    case Phase::between_trials:
      return "between two trials";
    case Phase::running_trials:
      return "running a trial";
    case Phase::waiting_for_trials:
      break;
  }
  return "waiting for the others' trials";
}

std::string rank_list(const std::vector<std::int32_t>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < ranks.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(ranks[i]);
  return text;
}

std::string describe_elsewhere(const std::vector<std::string>& host_of,
                               const std::vector<std::int32_t>& here) {
  constexpr std::size_t most_hosts = 16;
  std::vector<std::pair<std::string, std::vector<std::int32_t>>> hosts;  // ranks of a node are contiguous
  for (std::size_t rank = 0; rank < host_of.size(); ++rank) {
    const auto number = static_cast<std::int32_t>(rank);
    if (std::find(here.begin(), here.end(), number) != here.end()) continue;
    if (hosts.empty() || hosts.back().first != host_of[rank])
      hosts.emplace_back(host_of[rank], std::vector<std::int32_t>{});
    hosts.back().second.push_back(number);
  }
  std::vector<std::string> texts;
  for (const auto& [host, ranks] : hosts) texts.push_back(rank_list(ranks) + " on " + host);
  if (texts.size() > most_hosts) {
    const std::size_t more = texts.size() - most_hosts;
    texts.resize(most_hosts);
    texts.push_back("those of " + std::to_string(more) + " more hosts");
  }
  return join(texts, "; ");
}

}  // namespace

ProgressBoard::ProgressBoard(const Communicator& world)
    : group_(ranks_to_watch(world)),
      memory_(group_, static_cast<std::size_t>(group_.size()) * sizeof(Line)),
      lines_(reinterpret_cast<Line*>(memory_.data())),
      own_(static_cast<std::size_t>(group_.rank())) {
  static_assert(sizeof(Line) == line_bytes);
  const std::int32_t rank = world.rank();
  ranks_ = group_.all_gather_v(std::span(&rank, 1));
  ranks_elsewhere_ = describe_elsewhere(world.all_gather_text(world.host()), ranks_);
}

bool ProgressBoard::everyone_in(Phase phase) const {
  const std::vector<std::uint64_t> all = places();
  return std::all_of(all.begin(), all.end(),
                     [&](std::uint64_t place) { return phase_of(place >> beat_bits) == phase; });
}

std::vector<std::uint64_t> ProgressBoard::places() const {
  std::vector<std::uint64_t> places;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    places.push_back(lines_[i].place.load(std::memory_order_relaxed));
  }
  return places;
}

std::vector<std::uint64_t> ProgressBoard::pulses() const {
  std::vector<std::uint64_t> pulses;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    pulses.push_back(lines_[i].pulse.load(std::memory_order_relaxed));
  }
  return pulses;
}

std::string ProgressBoard::description() const {
  std::map<std::uint64_t, std::vector<std::int32_t>> ranks_at;
  const std::vector<std::uint64_t> all = places();
  for (std::size_t i = 0; i < all.size(); ++i) ranks_at[all[i] >> beat_bits].push_back(ranks_[i]);
  std::string text;
  for (const auto& [place, ranks] : ranks_at) {
    const bool behind = text.empty() && ranks_at.size() > 1;
    text += (text.empty() ? "" : "; ") + std::string(behind ? "behind: " : "") + rank_list(ranks) + ", " +
            text_of(phase_of(place), place >> phase_bits);
  }
  return text;
}

bool ProgressBoard::claim_report() {
  return lines_[0].report_claimed.exchange(1) == 0;
}

void ProgressBoard::end_report() {
  lines_[0].report_claimed.store(0);
}

}  // namespace lockstep
