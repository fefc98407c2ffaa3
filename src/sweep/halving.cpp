#include "lockstep/sweep/halving.hpp"

#include <algorithm>
#include <cmath>

namespace lockstep {

bool is_rung(const HalvingSettings& settings, std::uint64_t epoch, std::uint64_t epochs) {
  for (std::uint64_t rung = settings.first_epochs; rung < epochs; rung *= settings.factor) {
    if (rung == epoch) return true;
    if (rung > epoch / settings.factor) return false;
  }
  return false;
}

HalvingDecision decide(const HalvingSettings& settings, std::uint64_t epoch, const std::string& digest,
                       const std::map<std::string, double>& values, bool higher_is_better) {
  HalvingDecision decision;
  decision.epoch = epoch;
  decision.value = values.at(digest);
  decision.among = values.size();
  const auto is_better = [&](const auto& other) {
    if (std::isnan(other.second)) return false;
    if (std::isnan(decision.value)) return true;
    return higher_is_better ? other.second > decision.value : other.second < decision.value;
  };
  decision.better = static_cast<std::uint64_t>(std::count_if(values.begin(), values.end(), is_better));
  decision.goes_on = decision.better < std::max<std::uint64_t>(1, decision.among / settings.factor);
  return decision;
}

}  // namespace lockstep
