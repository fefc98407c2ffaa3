#include <fuzzer/FuzzedDataProvider.h>

#include <limits>
#include <vector>

#include "input_file.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/io/checkpoint.hpp"
#include "lockstep/io/content_digest.hpp"
#include "lockstep/io/dataset.hpp"
#include "lockstep/io/hdf5.hpp"
#include "seal.hpp"

/// Datasets and checkpoints that are good HDF5 files with wrong content: other types, shapes, names, numbers,
/// links, storage. (Damaged HDF5 is another matter: libhdf5 1.10 itself crashes on some, which the seal keeps
/// from it.)
namespace {

using namespace lockstep;

const char* const objects[] = {"/",
                               "/train",
                               "/train/x",
                               "/train/y",
                               "/test/x",
                               "/test/y",
                               "/run",
                               "/model",
                               "/run/config",
                               "/run/environment",
                               "/optimizer",
                               "/optimizer/m",
                               "/parameters",
                               "/parameters/dense_0",
                               "/parameters/dense_0/kernel",
                               "/parameters/output/bias",
                               "/optimizer/m/output/kernel"};
const char* const attributes[] = {
    "format", "version",   "task",          "class_names",     "x_scale",    "source",      "sha256",
    "epoch",  "step",      "step_in_epoch", "widths",          "x_shape",    "activations", "output",
    "loss",   "precision", "arithmetic",    "shard_loss_sums", "shard_rows", "best_value",  "finished"};

void write_dataset(hid_t file) {
  write_attribute(file, "format", "lockstep-dataset", "");
  write_number_attribute<std::int64_t>(file, "version", 1, "");
  write_attribute(file, "task", "classification", "");
  write_attribute(file, "class_names", std::vector<std::string>{"a", "b"}, "");
  write_number_attribute<double>(file, "x_scale", 1, "");
  write_attribute(file, "source", "fuzz", "");
  const std::vector<std::uint8_t> zeros(64);
  for (const char* split : {"/train", "/test"}) {
    const std::vector<std::size_t> x_shape{8, 3}, y_shape{8};
    const std::string group = split;
    write_row_block(create_array(file, group + "/x", ElementType::uint8, x_shape, "").get(),
                    ElementType::uint8, x_shape, 0, 8, zeros.data(), "");
    write_row_block(create_array(file, group + "/y", ElementType::uint8, y_shape, "").get(),
                    ElementType::uint8, y_shape, 0, 8, zeros.data(), "");
  }
}

const ParameterLayout& layout() {
  static const ParameterLayout of_three({3, 4, 2}, sizeof(float));
  return of_three;
}

std::string checkpoint_bytes() {
  CheckpointState state;
  state.model = {Task::classification, {"a", "b"}, {3},    1, {3, 4, 2}, {"relu"}, "softmax",
                 "cross_entropy",      "float32",  "exact"};
  state.config = {{"seed", "1"}};
  state.shard_loss_sums = {1};
  state.shard_correct = {1};
  state.shard_rows = {1};
  const std::vector<float> zeros(layout().size());
  const std::string path = "/dev/shm/lockstep-fuzz-" + std::to_string(::getpid()) + ".h5";
  write_checkpoint<float>(path, layout(), state, zeros, {{"m", zeros}});
  const int file = ::open(path.c_str(), O_RDONLY);
  std::string bytes(1 << 20, '\0');
  bytes.resize(static_cast<std::size_t>(::read(file, bytes.data(), bytes.size())));
  ::close(file);
  ::unlink(path.c_str());
  return bytes;
}

std::uint64_t odd_number(FuzzedDataProvider& input) {
  const std::uint64_t chosen[] = {
      0, 1, 3, 1000, 1ULL << 31, 1ULL << 32, 1ULL << 62, ~0ULL, input.ConsumeIntegral<std::uint64_t>()};
  return input.PickValueInArray(chosen);
}

void change_attribute(hid_t object, FuzzedDataProvider& input) {
  const std::string name = input.PickValueInArray(attributes);
  H5Adelete(object, name.c_str());
  switch (input.ConsumeIntegralInRange(0, 4)) {
    case 0:
      return;
    case 1:
      return write_attribute(object, name, input.ConsumeRandomLengthString(300), "");
    case 2:
      return write_number_attribute<std::int64_t>(object, name, static_cast<std::int64_t>(odd_number(input)),
                                                  "");
    case 3:
      return write_number_attribute<double>(object, name, input.ConsumeFloatingPoint<double>(), "");
    default: {
      std::vector<std::string> texts;
      while (input.ConsumeBool() && texts.size() < 20) texts.push_back(input.ConsumeRandomLengthString(20));
      if (!texts.empty()) write_attribute(object, name, texts, "");
    }
  }
}

/// An array of any type and shape, written or only promised.
void replace_object(hid_t file, const std::string& path, FuzzedDataProvider& input) {
  if (path == "/") return;
  H5Ldelete(file, path.c_str(), H5P_DEFAULT);
  const Hdf5Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.get(), 1);
  const int what = input.ConsumeIntegralInRange(0, 5);
  if (what == 0) return;
  if (what == 1) H5Lcreate_external("/etc/passwd", "/x", file, path.c_str(), links.get(), H5P_DEFAULT);
  if (what == 2)
    H5Lcreate_soft(input.PickValueInArray(objects), file, path.c_str(), links.get(), H5P_DEFAULT);
  if (what == 3) {
    const Hdf5Handle group(H5Gcreate2(file, path.c_str(), links.get(), H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
  }
  if (what < 4) return;
  std::vector<hsize_t> shape(input.ConsumeIntegralInRange<std::size_t>(1, 4));
  hsize_t elements = 1;
  for (hsize_t& extent : shape) {
    extent = what == 4 ? input.ConsumeIntegralInRange<hsize_t>(0, 9) : odd_number(input);
    elements = elements > 10000 || extent > 10000 ? 20000 : elements * extent;
  }
  const hid_t types[] = {H5T_STD_U8LE,   H5T_STD_I32BE, H5T_STD_I64LE,  H5T_IEEE_F32LE,
                         H5T_IEEE_F64LE, H5T_C_S1,      H5T_STD_REF_OBJ};
  const hid_t type = input.PickValueInArray(types);
  const Hdf5Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
  const Hdf5Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  if (!space) return;
  if (what == 5) {
    const std::vector<hsize_t> chunk(shape.size(), 1);
    H5Pset_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data());
    if (input.ConsumeBool()) H5Pset_deflate(creation.get(), 6);
    if (input.ConsumeBool()) H5Pset_scaleoffset(creation.get(), H5Z_SO_INT, 0);
  }
  const Hdf5Handle array(
      H5Dcreate2(file, path.c_str(), type, space.get(), links.get(), creation.get(), H5P_DEFAULT), H5Dclose);
  if (!array || elements > 10000 || type == H5T_C_S1 || type == H5T_STD_REF_OBJ) return;
  std::vector<double> numbers(elements, input.ConsumeFloatingPoint<double>());
  H5Dwrite(array.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers.data());
}

void change(hid_t file, FuzzedDataProvider& input) {
  while (input.remaining_bytes() > 2) {
    const std::string path = input.PickValueInArray(objects);
    if (input.ConsumeBool()) {
      replace_object(file, path, input);
    } else {
      const Hdf5Handle object(H5Oopen(file, path.c_str(), H5P_DEFAULT), H5Oclose);
      if (object) change_attribute(object.get(), input);
    }
  }
}

void read_as_dataset(const std::string& path) {
  try {
    verify_dataset_digests(read_dataset_info(path));
  } catch (const UserError&) {
    // refused
  }
}

void read_as_checkpoint(const std::string& path) {
  try {
    read_checkpoint_state(path);
    std::vector<float> parameters(layout().size());
    OptimizerSlots<float> slots;
    read_checkpoint_tensors<float>(path, layout(), parameters, slots);
  } catch (const UserError&) {
    // refused
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  static const std::string checkpoint = checkpoint_bytes();
  const bool dataset = input.ConsumeBool();
  Hdf5Handle file;
  std::string image;
  if (dataset) {
    file = create_hdf5_in_memory("fuzz.h5");
    write_dataset(file.get());
  } else {
    const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    H5Pset_fapl_core(access.get(), 4096, false);
    image = checkpoint;
    H5Pset_file_image(access.get(), image.data(), image.size());
    file = {H5Fopen("fuzz.h5", H5F_ACC_RDWR, access.get()), H5Fclose};
    if (!file) std::abort();
  }
  try {
    change(file.get(), input);
  } catch (const UserError&) {
    // HDF5 refuses some changes
  }
  if (!dataset) {
    try {
      const std::string digest = content_sha256(file.get(), "fuzz.h5");
      H5Adelete(file.get(), "sha256");
      write_attribute(file.get(), "sha256", digest, "");
    } catch (const UserError&) {
      // links that no digest is taken over
    }
  }
  const std::span<char> bytes = hdf5_image(file.get(), "fuzz.h5");
  if (!dataset) write_seal(bytes);
  const InputFile changed({bytes.data(), bytes.size()});
  file.reset();
  dataset ? read_as_dataset(changed.path()) : read_as_checkpoint(changed.path());
  H5garbage_collect();
  return 0;
}
