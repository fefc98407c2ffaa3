#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <span>
#include <string>

#include "lockstep/io/hdf5.hpp"

/// What the fuzz targets of datasets and checkpoints do to a good file.
namespace lockstep {

/// The bytes of an HDF5 file, opened to be changed in memory.
Hdf5Handle open_image(std::string& bytes);

/// Makes a good HDF5 file with wrong content: other types, shapes, names, numbers, links, storage.
void change_objects(hid_t file, FuzzedDataProvider& input);

/// Changes bytes from `begin` on, or cuts the file there: what libhdf5 itself has to stand, or its trial.
void damage_bytes(std::string& bytes, std::size_t begin, FuzzedDataProvider& input);

}  // namespace lockstep
