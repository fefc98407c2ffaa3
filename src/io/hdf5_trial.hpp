#pragma once

#include <string>

#include "lockstep/io/hdf5.hpp"

namespace lockstep {

/// libhdf5 1.10 crashes, loops or asks for any amount of memory on some damaged files. So each file is first
/// read by a child process: opened, all that describes its arrays, and of each array the first and the last
/// row, as far as a few seconds go. Throws FileError if the child does not come to its end; what HDF5 merely
/// refuses is left to the caller's own reading, and where no process can be started there is no trial. The
/// file that passed last (the same device, inode, size and times) is not tried again. The file has to look
/// like HDF5.
void try_hdf5(const std::string& path);

/// A file that libhdf5 itself has just written needs no trial.
void trust_hdf5(const std::string& path);

/// Opens without the trial, which calls this.
Hdf5Handle open_hdf5_untried(const std::string& path);

}  // namespace lockstep
