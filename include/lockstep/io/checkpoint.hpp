#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "lockstep/nn/loss.hpp"
#include "lockstep/nn/parameters.hpp"

/// Checkpoints: one HDF5 file each, written by one process, independent of the number of ranks.
///
///   /parameters/<layer>/kernel, bias          (in, out) and (out), in the training precision
///   /optimizer/<slot>/<layer>/kernel, bias    the same shapes
///   /model                                    attributes: what evaluate and predict need
///   /run                                      config, epoch, step, running sums, best
///   root attributes                           format = "lockstep-checkpoint", version, and sha256, of
///                                             which content_digest.hpp says over what
///
/// In front of the HDF5 data, in its user block, stands a digest of the file's bytes, which is checked first:
/// damage is found before libhdf5, which crashes on some damaged files, sees it.
///
/// In Python:  import h5py; f = h5py.File("step-00000100.h5"); w = f["/parameters/dense_0/kernel"][...]
namespace lockstep {

/// A trained network, sufficient to evaluate and predict without its run directory.
struct ModelDescription {
  Task task = Task::classification;
  std::vector<std::string> class_names;
  std::vector<std::size_t> x_shape;      // of one row: {F} or {H, W}
  double x_scale = 1;                    // what stored x are multiplied by
  std::vector<std::size_t> widths;       // input, hidden …, output
  std::vector<std::string> activations;  // one per hidden layer
  std::string output, loss;
  std::string precision;   // "float32", "float64"
  std::string arithmetic;  // "openblas", "exact"
  friend bool operator==(const ModelDescription&, const ModelDescription&) = default;
};

/// Everything of a training run but its tensors.
struct CheckpointState {
  ModelDescription model;
  std::string config_toml;
  std::map<std::string, std::string> config;       // key → text
  std::map<std::string, std::string> environment;  // what else the bits depend on: BLAS core, ISA, versions
  std::string dataset_sha256;
  std::string parameters_sha256;
  std::uint64_t epoch = 0;              // finished ones
  std::uint64_t step_in_epoch = 0;      // finished steps of the epoch begun
  std::uint64_t step = 0;               // finished steps
  std::vector<double> shard_loss_sums;  // of the epoch begun, one per shard
  std::vector<std::int64_t> shard_correct;
  std::vector<std::int64_t> shard_rows;
  double best_value = std::numeric_limits<double>::quiet_NaN();  // of the monitored metric
  std::int64_t best_epoch = 0;
  std::int64_t epochs_without_improvement = 0;
  double seconds = 0;  // trained so far, over all interruptions
  bool finished = false;
};

/// Optimizer slots by name, each in the layout of the parameters: (layout.size()).
template <class T>
using OptimizerSlots = std::vector<std::pair<std::string, std::vector<T>>>;

/// Writes a checkpoint atomically (one process). `parameters` and every slot: (layout.size()). Throws
/// FileError.
template <class T>
void write_checkpoint(const std::string& path, const ParameterLayout& layout, const CheckpointState& state,
                      std::span<const T> parameters, const OptimizerSlots<T>& slots);

/// Verifies a checkpoint's digest and reads its state. Throws FileError.
CheckpointState read_checkpoint_state(const std::string& path);

/// Reads the tensors of a checkpoint after verifying its digest, their shapes and precision, and that every
/// number is finite. `parameters`: (layout.size()), padding becomes zero. `slots` gets every slot in the
/// file, sorted by name. Throws FileError.
template <class T>
void read_checkpoint_tensors(const std::string& path, const ParameterLayout& layout, std::span<T> parameters,
                             OptimizerSlots<T>& slots);

/// The same without the optimizer's slots.
template <class T>
void read_checkpoint_parameters(const std::string& path, const ParameterLayout& layout,
                                std::span<T> parameters);

/// "step-00004690.h5".
std::string checkpoint_file_name(std::uint64_t step);

/// The step in such a name; nothing for other names.
std::optional<std::uint64_t> step_of_checkpoint(const std::string& name);

/// Paths of the step-*.h5 in a directory that are no directories, latest step first; nothing if the directory
/// is missing. Throws FileError if it cannot be read.
std::vector<std::string> checkpoints_newest_first(const std::string& directory);

/// Those that a run may go on from, latest step first: with them `last`, where it is a file of its own (in a
/// copied directory, or without hard links) and is not damaged. Throws FileError if the directory may not be
/// read, UnreadableError if `last` cannot be read now.
std::vector<std::string> checkpoints_to_resume(const std::string& directory);

/// Why a file's bytes cannot be read now, as after an I/O error; empty if they can, or if there is no file.
std::string why_unreadable(const std::string& path);

/// What is damaged in a checkpoint: the FileError that read() throws twice, although all bytes can be read;
/// empty if read() goes through. A run that takes an older checkpoint deletes this one, so a read that fails
/// once must not be enough. Throws UnreadableError if the bytes cannot be read now.
std::string damage_found(const std::string& path, const std::function<void()>& read);

/// Deletes all but the `keep` latest step-*.h5 files. `best` and `last` stay. Throws FileError if the
/// directory may not be read.
void delete_old_checkpoints(const std::string& directory, std::size_t keep);

/// Deletes the step-*.h5 files of later steps. Throws FileError if the directory may not be read.
void delete_newer_checkpoints(const std::string& directory, std::uint64_t step);

/// Makes `best` or `last` in the checkpoint's directory another name of it: no second write, and it survives
/// the deletion of the file under its first name. Throws FileError.
void mark_best_checkpoint(const std::string& path);
void mark_last_checkpoint(const std::string& path);

/// What --checkpoint names: a checkpoint file, or a run directory or its checkpoints/, which mean `best`,
/// else `last`, else the newest. Throws FileError if there is none.
std::string find_checkpoint(const std::string& path);

}  // namespace lockstep
