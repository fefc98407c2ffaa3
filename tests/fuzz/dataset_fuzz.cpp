#include <filesystem>
#include <vector>

#include "hdf5_changes.hpp"
#include "hdf5_trial.hpp"
#include "input_file.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/io/converters.hpp"
#include "lockstep/io/dataset.hpp"
#include "lockstep/io/shard_reader.hpp"

/// Dataset files: good HDF5 with wrong content, and damaged HDF5; read, and converted. As lockstep writes
/// them, and as h5py does: in the oldest format, which has no checksums, in gzipped pieces.
namespace {

using namespace lockstep;

void write_array(hid_t file, const std::string& path, std::vector<hsize_t> shape, bool in_pieces) {
  const Hdf5Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose),
      creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const Hdf5Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
  H5Pset_create_intermediate_group(links.get(), 1);
  if (in_pieces) {
    std::vector<hsize_t> piece(shape);
    piece[0] = 3;
    H5Pset_chunk(creation.get(), static_cast<int>(piece.size()), piece.data());
    H5Pset_shuffle(creation.get());
    H5Pset_deflate(creation.get(), 4);
    H5Pset_fletcher32(creation.get());
  }
  const Hdf5Handle array(
      H5Dcreate2(file, path.c_str(), H5T_STD_U8LE, space.get(), links.get(), creation.get(), H5P_DEFAULT),
      H5Dclose);
  const std::vector<std::uint8_t> zeros(64);
  H5Dwrite(array.get(), H5T_STD_U8LE, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros.data());
}

std::string dataset_bytes(bool oldest_format) {
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fapl_core(access.get(), 4096, false);
  H5Pset_libver_bounds(access.get(), oldest_format ? H5F_LIBVER_EARLIEST : H5F_LIBVER_V18, H5F_LIBVER_LATEST);
  const Hdf5Handle file(H5Fcreate("fuzz.h5", H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose);
  write_attribute(file.get(), "format", "lockstep-dataset", "");
  write_number_attribute<std::int64_t>(file.get(), "version", 1, "");
  write_attribute(file.get(), "task", "classification", "");
  write_attribute(file.get(), "class_names", std::vector<std::string>{"a", "b"}, "");
  write_number_attribute<double>(file.get(), "x_scale", 1, "");
  write_attribute(file.get(), "source", "fuzz", "");
  for (const char* split : {"/train", "/test"}) {
    const std::string group = split;
    write_array(file.get(), group + "/x", {8, 3}, oldest_format);
    write_array(file.get(), group + "/y", {8}, oldest_format);
  }
  const std::span<char> bytes = hdf5_image(file.get(), "fuzz.h5");
  return {bytes.data(), bytes.size()};
}

/// Whether all rows may be read: some files promise more than anybody has time for.
bool is_small(const DatasetInfo& info) {
  return info.train_rows <= 1000 && info.test_rows <= 1000 && info.features <= 1000;
}

void read(const std::string& path) {
  try {
    const DatasetInfo info = read_dataset_info(path);
    if (!is_small(info)) return;
    read_rows_serial<float>(info, Split::train, {{0, info.train_rows}});
    if (!info.sha256_all.empty()) verify_dataset_digests(info);
  } catch (const UserError&) {
    // refused
  }
}

/// `convert --hdf5` makes a good dataset, or nothing.
void convert(const std::string& path) {
  const std::string output = path + ".converted";
  bool is_made = false;
  try {
    convert_hdf5({.path = path}, output);
    is_made = true;
  } catch (const UserError&) {
    // refused
  }
  if (std::filesystem::exists(output) != is_made) std::abort();
  if (!is_made) return;
  trust_hdf5(output);
  verify_dataset_digests(read_dataset_info(output));
  std::filesystem::remove(output);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  static const std::string good[] = {dataset_bytes(false), dataset_bytes(true)};
  std::string bytes = good[input.ConsumeBool()];
  const bool is_damaged = input.ConsumeIntegralInRange(0, 31) == 0;  // a trial takes longer than all the rest
  if (is_damaged) {
    damage_bytes(bytes, 0, input);
  } else {
    const Hdf5Handle file = open_image(bytes);
    change_objects(file.get(), input);
    const std::span<char> changed = hdf5_image(file.get(), "fuzz.h5");
    bytes.assign(changed.data(), changed.size());
  }
  const InputFile file(bytes);
  if (!is_damaged) trust_hdf5(file.path());
  read(file.path());
  convert(file.path());
  H5garbage_collect();
  return 0;
}
