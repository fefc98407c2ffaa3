#pragma once

#include <hdf5.h>

#include <string>

#include "lockstep/io/checkpoint.hpp"

namespace lockstep {

/// Writes and reads /model and /run of a checkpoint.
void write_state(hid_t file, const CheckpointState& state, const std::string& file_name);
CheckpointState read_state(hid_t file, const std::string& file_name);

}  // namespace lockstep
