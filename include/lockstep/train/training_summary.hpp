#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lockstep/train/checkpointer.hpp"
#include "lockstep/train/trainer.hpp"

namespace lockstep {

/// What summary.json says of a run that ended: final metrics, parameters_sha256, status, versions, machine,
/// data, time. `hosts`: of every rank.
nlohmann::json training_summary(const TrainConfig& config, const DatasetInfo& dataset,
                                const ParameterLayout& layout, const TrainProgress& progress,
                                const TrainResult& result, double seconds,
                                const std::vector<std::string>& hosts, const std::string& transport);

}  // namespace lockstep
