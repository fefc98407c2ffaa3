#pragma once

#include <cstdint>
#include <string>

#include "lockstep/train/trainer.hpp"

namespace lockstep {

/// What a run trains and how, in two lines; `config` is the resolved one.
std::string opening_lines(const TrainConfig& config);

/// One line an epoch, as the terminal and log.txt show it:
/// "epoch 3/10  loss 0.1234  accuracy 0.9650  …  21000 rows/s  12.5 s".
std::string epoch_line(const EpochMetrics& metrics, std::uint64_t epochs);

/// "step 120  loss of rank 0's rows 0.1234  21000 rows/s".
std::string progress_line(std::uint64_t step, double local_mean_loss, double samples_per_second);

/// "checkpoint step-00004690.h5  1.2 MiB  0.013 s".
std::string checkpoint_line(const std::string& path, double seconds, std::uint64_t bytes);

/// The closing lines: how the run ended, its results, and what was written where.
std::string closing_summary(const TrainResult& result);

}  // namespace lockstep
