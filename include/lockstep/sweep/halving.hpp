#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "lockstep/sweep/ledger.hpp"
#include "lockstep/sweep/sweep_spec.hpp"

/// Asynchronous successive halving (Li et al., "A system for massively parallel hyperparameter tuning",
/// MLSys 2020) in the form that stops trials: nobody waits for the others of a rung, and who may go on does.
namespace lockstep {

/// Whether a decision is due after `epoch`: first_epochs · factor^k, before the last epoch.
bool is_rung(const HalvingSettings& settings, std::uint64_t epoch, std::uint64_t epochs);

/// Decides for the trial `digest`, one of `values` (digest → value at this epoch): it goes on if fewer than
/// max(1, n / factor) of the n values are better. Values that are not numbers are worse than all others.
HalvingDecision decide(const HalvingSettings& settings, std::uint64_t epoch, const std::string& digest,
                       const std::map<std::string, double>& values, bool higher_is_better);

}  // namespace lockstep
