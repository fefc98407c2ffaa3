#include "hdf5_changes.hpp"

#include <algorithm>
#include <vector>

#include "lockstep/core/error.hpp"

namespace lockstep {
namespace {

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

}  // namespace

Hdf5Handle open_image(std::string& bytes) {
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fapl_core(access.get(), 4096, false);
  H5Pset_file_image(access.get(), bytes.data(), bytes.size());
  Hdf5Handle file(H5Fopen("fuzz.h5", H5F_ACC_RDWR, access.get()), H5Fclose);
  if (!file) std::abort();
  return file;
}

void change_objects(hid_t file, FuzzedDataProvider& input) {
  try {
    while (input.remaining_bytes() > 2) {
      const std::string path = input.PickValueInArray(objects);
      if (input.ConsumeBool()) {
        replace_object(file, path, input);
      } else {
        const Hdf5Handle object(H5Oopen(file, path.c_str(), H5P_DEFAULT), H5Oclose);
        if (object) change_attribute(object.get(), input);
      }
    }
  } catch (const UserError&) {
    // HDF5 refuses some changes
  }
}

void damage_bytes(std::string& bytes, std::size_t begin, FuzzedDataProvider& input) {
  while (input.remaining_bytes() > 4 && bytes.size() > begin + 8) {
    const std::size_t at = input.ConsumeIntegralInRange<std::size_t>(begin, bytes.size() - 8);
    switch (input.ConsumeIntegralInRange(0, 7)) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
      case 2: {
        const std::uint64_t number = odd_number(input);
        std::copy_n(reinterpret_cast<const char*>(&number), input.ConsumeBool() ? 8 : 4, &bytes[at]);
        break;
      }
      case 3:
      case 4:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << input.ConsumeIntegralInRange(0, 7)));
        break;
      default:
        bytes[at] = input.ConsumeIntegral<char>();
    }
  }
}

}  // namespace lockstep
